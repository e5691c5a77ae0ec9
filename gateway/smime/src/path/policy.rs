//! Certificate policies along a path (RFC 5280 §6.1.2 to §6.1.5).
//!
//! The policies of each depth are the nodes of a graph (RFC 9618 §5) rather than of the tree of
//! RFC 5280: the answers are the same, and a chain of mappings cannot make it grow
//! exponentially (CVE-2023-0464).

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier;

use crate::certificate::Certificate;
use crate::oid::ANY_POLICY;

/// What a site demands of the policies of a path; the inputs (c) to (g) of RFC 5280 §6.1.1. The
/// default demands nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PolicyDemand {
    /// Acceptable policies, as dotted numbers; empty: any.
    pub(crate) acceptable: BTreeSet<ObjectIdentifier>,
    /// A path without an acceptable policy is refused even if no authority asks for that.
    pub(crate) explicit: bool,
    /// Mappings from one policy to another do not count.
    pub(crate) inhibit_mapping: bool,
    /// anyPolicy does not stand for a policy that is demanded.
    pub(crate) inhibit_any: bool,
}

impl PolicyDemand {
    /// Demands that the path is valid for one of these policies, given as dotted numbers.
    ///
    /// # Errors
    /// The text that is not an object identifier.
    pub fn one_of<'a>(policies: impl IntoIterator<Item = &'a str>) -> Result<Self, &'a str> {
        let acceptable = policies
            .into_iter()
            .map(|text| text.parse().map_err(|_| text))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            acceptable,
            explicit: true,
            ..Self::default()
        })
    }

    /// Sets whether a path must have an acceptable policy even if no authority asks for one.
    #[must_use]
    pub fn explicit(mut self, explicit: bool) -> Self {
        self.explicit = explicit;
        self
    }

    /// Ignores mappings from one policy to another.
    #[must_use]
    pub fn without_mapping(mut self) -> Self {
        self.inhibit_mapping = true;
        self
    }

    /// Takes anyPolicy for no policy.
    #[must_use]
    pub fn without_any_policy(mut self) -> Self {
        self.inhibit_any = true;
        self
    }
}

/// One policy at one depth.
struct Node {
    /// Policies of the depth below that this one becomes.
    expected: BTreeSet<ObjectIdentifier>,
    /// Whether a policy that the site accepts leads here (RFC 5280 §6.1.5 (g)).
    acceptable: bool,
}

type Depth = BTreeMap<ObjectIdentifier, Node>;

/// The policies along one path, from the anchor down. Only the deepest level is kept.
struct Graph<'a> {
    demand: &'a PolicyDemand,
    /// `None` once no policy is valid.
    level: Option<Depth>,
    explicit: usize,
    mapping: usize,
    any: usize,
}

/// Whether the policies of `chain`, from the leaf to the anchor, are what `demand` and its
/// authorities ask for.
pub(super) fn allow(chain: &[Certificate], demand: &PolicyDemand) -> bool {
    let Some((_, below)) = chain.split_last() else {
        return false;
    };
    let mut graph = Graph::new(below.len(), demand);
    for (above_leaf, certificate) in below.iter().enumerate().rev() {
        let last = above_leaf == 0;
        graph.descend(certificate, last);
        if !graph.holds() {
            return false;
        }
        if last {
            return graph.conclude(certificate);
        }
        if !graph.prepare(certificate) {
            return false;
        }
    }
    // The anchor itself.
    true
}

impl<'a> Graph<'a> {
    /// RFC 5280 §6.1.2 for a path of `length` certificates below the anchor.
    fn new(length: usize, demand: &'a PolicyDemand) -> Self {
        let limit = |set: bool| if set { 0 } else { length + 1 };
        let root = Node {
            expected: BTreeSet::from([ANY_POLICY]),
            acceptable: demand.acceptable.is_empty(),
        };
        Self {
            demand,
            level: Some(Depth::from([(ANY_POLICY, root)])),
            explicit: limit(demand.explicit),
            mapping: limit(demand.inhibit_mapping),
            any: limit(demand.inhibit_any),
        }
    }

    /// RFC 5280 §6.1.3 (f).
    fn holds(&self) -> bool {
        self.explicit > 0 || self.level.is_some()
    }

    /// RFC 5280 §6.1.3 (d) and (e).
    fn descend(&mut self, certificate: &Certificate, last: bool) {
        let (Some(above), Some(policies)) = (self.level.take(), &certificate.extensions().policies)
        else {
            return;
        };
        let mut level = Depth::new();
        // (d) (1)
        for policy in policies.iter().filter(|policy| **policy != ANY_POLICY) {
            let mut parents = expecting(&above, policy);
            if parents.is_empty() && above.contains_key(&ANY_POLICY) {
                parents.insert(ANY_POLICY);
            }
            if !parents.is_empty() {
                self.add(&mut level, &above, *policy, parents);
            }
        }
        // (d) (2)
        let takes_any = self.any > 0 || (!last && certificate.is_self_issued());
        if policies.contains(&ANY_POLICY) && takes_any {
            let expected: BTreeSet<_> = above.values().flat_map(|n| &n.expected).copied().collect();
            for policy in expected {
                if !level.contains_key(&policy) {
                    let parents = expecting(&above, &policy);
                    self.add(&mut level, &above, policy, parents);
                }
            }
        }
        // (d) (3): depths above are not kept, so nothing is left there to prune.
        self.level = (!level.is_empty()).then_some(level);
    }

    fn add(
        &self,
        level: &mut Depth,
        above: &Depth,
        policy: ObjectIdentifier,
        parents: BTreeSet<ObjectIdentifier>,
    ) {
        let node = Node {
            acceptable: self.is_acceptable(above, policy, &parents),
            expected: BTreeSet::from([policy]),
        };
        level.insert(policy, node);
    }

    /// Whether the site accepts the policy by which the path entered the domain of `policy`: the
    /// first one below anyPolicy (RFC 5280 §6.1.5 (g) (iii)).
    fn is_acceptable(
        &self,
        above: &Depth,
        policy: ObjectIdentifier,
        parents: &BTreeSet<ObjectIdentifier>,
    ) -> bool {
        let accepted = &self.demand.acceptable;
        accepted.is_empty()
            || (parents.contains(&ANY_POLICY) && accepted.contains(&policy))
            || parents
                .iter()
                .filter(|parent| **parent != ANY_POLICY)
                .any(|parent| above.get(parent).is_some_and(|node| node.acceptable))
    }

    /// RFC 5280 §6.1.4 (a), (b) and (h) to (j), for a certificate that issues the next one.
    fn prepare(&mut self, certificate: &Certificate) -> bool {
        let extensions = certificate.extensions();
        let mut mappings: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (issuer, subject) in &extensions.policy_mappings {
            if *issuer == ANY_POLICY || *subject == ANY_POLICY {
                return false;
            }
            mappings.entry(*issuer).or_default().insert(*subject);
        }
        if let Some(level) = &mut self.level {
            for (issuer, subjects) in mappings {
                if self.mapping == 0 {
                    level.remove(&issuer);
                } else if let Some(node) = level.get_mut(&issuer) {
                    node.expected = subjects;
                } else if level.contains_key(&ANY_POLICY) {
                    let accepted = &self.demand.acceptable;
                    let node = Node {
                        expected: subjects,
                        acceptable: accepted.is_empty() || accepted.contains(&issuer),
                    };
                    level.insert(issuer, node);
                }
            }
        }
        if self.level.as_ref().is_some_and(BTreeMap::is_empty) {
            self.level = None;
        }
        if !certificate.is_self_issued() {
            self.explicit = self.explicit.saturating_sub(1);
            self.mapping = self.mapping.saturating_sub(1);
            self.any = self.any.saturating_sub(1);
        }
        let constraints = extensions.policy_constraints;
        lower(&mut self.explicit, constraints.require_explicit);
        lower(&mut self.mapping, constraints.inhibit_mapping);
        lower(&mut self.any, extensions.inhibit_any_policy);
        true
    }

    /// RFC 5280 §6.1.5 (a), (b) and (g), for the leaf.
    fn conclude(mut self, leaf: &Certificate) -> bool {
        self.explicit = self.explicit.saturating_sub(1);
        if leaf.extensions().policy_constraints.require_explicit == Some(0) {
            self.explicit = 0;
        }
        // anyPolicy at the leaf stands for every policy of the site.
        let valid = self.level.is_some_and(|level| {
            level
                .iter()
                .any(|(policy, node)| *policy == ANY_POLICY || node.acceptable)
        });
        self.explicit > 0 || valid
    }
}

/// The policies of `level` that expect `policy` below them.
fn expecting(level: &Depth, policy: &ObjectIdentifier) -> BTreeSet<ObjectIdentifier> {
    level
        .iter()
        .filter(|(_, node)| node.expected.contains(policy))
        .map(|(parent, _)| *parent)
        .collect()
}

fn lower(counter: &mut usize, skip: Option<u32>) {
    if let Some(skip) = skip {
        *counter = (*counter).min(usize::try_from(skip).unwrap_or(usize::MAX));
    }
}
