use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

/// A tree kept as a register keeps it: node by node, in any order.
#[derive(Default)]
struct Kept {
    nodes: HashMap<Node, Hash>,
    size: u64,
}

impl Kept {
    fn of(size: u64) -> Self {
        let mut kept = Self::default();
        for index in 0..size {
            kept.append(leaf(index));
        }
        kept
    }

    fn append(&mut self, leaf: Hash) {
        let joined: Vec<_> = joined_by_append(self.size)
            .iter()
            .map(|node| self.nodes[node])
            .collect();
        self.nodes.extend(append(self.size, leaf, &joined));
        self.size += 1;
    }

    fn hash(&self, range: Range<u64>) -> Hash {
        let hashes: Vec<_> = nodes_of(range).iter().map(|n| self.nodes[n]).collect();
        fold(&hashes)
    }

    fn hashes(&self, ranges: Vec<Range<u64>>) -> Vec<Hash> {
        ranges.into_iter().map(|range| self.hash(range)).collect()
    }
}

#[test]
fn a_tree_in_memory_is_the_tree_that_is_kept() {
    let kept = Kept::of(130);
    let tree = Tree::of((0..130).map(leaf));
    assert_eq!(tree.size(), 130);
    for size in 0..=130 {
        assert_eq!(tree.root_at(size), Some(kept.hash(0..size)));
    }
    assert_eq!(tree.root_at(131), None);
    let ranges = consistency(77, 130).unwrap();
    assert_eq!(tree.hashes(&ranges), Some(kept.hashes(ranges)));
}

fn leaf(index: u64) -> Hash {
    Hash::leaf(&index.to_be_bytes())
}

/// RFC 6962 §2.1 as it is written, over all leaves.
fn reference_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::empty_root(),
        [only] => *only,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            Hash::inner(reference_root(&leaves[..k]), reference_root(&leaves[k..]))
        }
    }
}

/// All sizes up to 40, and those around powers of two.
fn sizes() -> Vec<u64> {
    let mut sizes: Vec<u64> = (1..=40).collect();
    sizes.extend([63, 64, 65, 127, 128, 129, 200, 255, 256, 257, 300]);
    sizes
}

#[test]
fn the_roots_of_the_known_tree_come_out() {
    // The eight inputs and roots that Certificate Transparency's implementations share.
    let inputs: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let hex =
        |hash: Hash| -> String { hash.as_bytes().iter().map(|b| format!("{b:02x}")).collect() };
    let mut kept = Kept::default();
    assert_eq!(
        hex(kept.hash(0..0)),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    kept.append(Hash::leaf(inputs[0]));
    assert_eq!(
        hex(kept.hash(0..1)),
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    );
    for input in &inputs[1..] {
        kept.append(Hash::leaf(input));
    }
    assert_eq!(
        hex(kept.hash(0..8)),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn kept_subtrees_give_the_root_of_every_size() {
    let leaves: Vec<_> = (0..300).map(leaf).collect();
    let kept = Kept::of(300);
    for size in 0..=300 {
        assert_eq!(
            kept.hash(0..size as u64),
            reference_root(&leaves[..size]),
            "{size}"
        );
    }
}

#[test]
fn every_leaf_of_every_size_is_proved_and_no_other_place_is() {
    let kept = Kept::of(300);
    for size in sizes() {
        let root = kept.hash(0..size);
        for index in 0..size {
            let path = kept.hashes(inclusion(index, size).unwrap());
            assert_eq!(
                verify_inclusion(leaf(index), index, &path, (size, root)),
                Ok(())
            );
            let another = leaf(index + 1);
            assert!(verify_inclusion(another, index, &path, (size, root)).is_err());
            let place = (index + 1) % size;
            if place != index {
                assert!(verify_inclusion(leaf(index), place, &path, (size, root)).is_err());
            }
        }
    }
}

#[test]
fn every_earlier_tree_is_proved_to_begin_every_later_one() {
    let kept = Kept::of(300);
    for later in sizes() {
        for earlier in 1..=later {
            let path = kept.hashes(consistency(earlier, later).unwrap());
            let old = (earlier, kept.hash(0..earlier));
            let new = (later, kept.hash(0..later));
            assert_eq!(
                verify_consistency(old, new, &path),
                Ok(()),
                "{earlier} {later}"
            );
            let other = (earlier, leaf(999));
            assert!(verify_consistency(other, new, &path).is_err());
            let other = (later, leaf(999));
            assert!(verify_consistency(old, other, &path).is_err());
        }
    }
}

#[test]
fn a_changed_bit_a_lost_or_an_added_hash_is_found() {
    let kept = Kept::of(100);
    let root = (100, kept.hash(0..100));
    for index in [0, 1, 37, 63, 64, 96, 99] {
        let path = kept.hashes(inclusion(index, 100).unwrap());
        each_damage(&path, |damaged| {
            assert!(verify_inclusion(leaf(index), index, damaged, root).is_err());
        });
    }
    for earlier in [1, 2, 31, 32, 33, 64, 65, 99] {
        let path = kept.hashes(consistency(earlier, 100).unwrap());
        let old = (earlier, kept.hash(0..earlier));
        each_damage(&path, |damaged| {
            assert!(verify_consistency(old, root, damaged).is_err());
        });
    }
}

fn each_damage(path: &[Hash], check: impl Fn(&[Hash])) {
    for at in 0..path.len() {
        for bit in 0..HASH_LEN * 8 {
            let mut damaged = path.to_vec();
            damaged[at].0[bit / 8] ^= 1 << (bit % 8);
            check(&damaged);
        }
        let mut damaged = path.to_vec();
        damaged.remove(at);
        check(&damaged);
    }
    let mut damaged = path.to_vec();
    damaged.push(leaf(7));
    check(&damaged);
}

#[test]
fn size_zero_proves_nothing() {
    let empty = Hash::empty_root();
    assert_eq!(
        verify_inclusion(leaf(0), 0, &[], (0, empty)),
        Err(ProofError::OutOfRange)
    );
    assert_eq!(
        verify_consistency((0, empty), (1, leaf(0)), &[]),
        Err(ProofError::OutOfRange)
    );
    assert_eq!(
        verify_consistency((0, empty), (0, empty), &[]),
        Err(ProofError::OutOfRange)
    );
}

#[test]
fn the_largest_tree_needs_no_longer_proof_than_the_limit() {
    let most = i64::MAX as u64;
    assert!(inclusion(most - 1, most).unwrap().len() <= MAX_PROOF);
    assert!(inclusion(0, most).unwrap().len() <= MAX_PROOF);
    assert!(consistency(most - 1, most).unwrap().len() <= MAX_PROOF);
    assert!(nodes_of(0..most).len() <= MAX_PROOF);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A log that changed one entry, lost one or gained one keeps no proof of its past.
    #[test]
    fn no_history_but_the_true_one_grows_from_a_checkpoint(
        earlier in 1_u64..600,
        more in 0_u64..600,
        at in 0_u64..600,
        what in 0..3,
    ) {
        let at = at % earlier;
        let kept = Kept::of(earlier);
        let old = (earlier, kept.hash(0..earlier));
        let mut history: Vec<u64> = (0..earlier + more).collect();
        let place = usize::try_from(at).unwrap();
        let prove = |history: &[u64]| {
            let mut grown = Kept::default();
            for index in history {
                grown.append(leaf(*index));
            }
            let path = grown.hashes(consistency(earlier, grown.size).unwrap());
            verify_consistency(old, (grown.size, grown.hash(0..grown.size)), &path)
        };
        prop_assert_eq!(prove(&history), Ok(()));
        match what {
            0 => history[place] = 10_000,
            1 => history.insert(place, 10_000),
            _ => {
                history.remove(place);
                history.push(10_000);
            }
        }
        prop_assert_eq!(prove(&history), Err(ProofError::Root));
    }
}

/// The public vectors of transparency-dev/merkle (`testdata`): 98 about inclusion and 98 about
/// consistency. They are read where `LIAISON_VECTORS` names a folder with `merkle/testdata`.
/// One of them has the words "don't care" for a root, which [`Hash`] cannot hold.
#[test]
fn the_public_vectors_are_judged_as_they_say() {
    let folder = std::env::var_os("LIAISON_VECTORS")
        .map(|root| std::path::Path::new(&root).join("merkle/testdata"))
        .filter(|folder| folder.is_dir());
    let Some(folder) = folder else {
        let missing = "merkle/testdata: LIAISON_VECTORS does not name a folder that holds it";
        eprintln!("not at hand: {missing}");
        if let Some(path) = std::env::var_os("LIAISON_NOT_AT_HAND") {
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.create(true).append(true).open(path).unwrap();
            std::io::Write::write_all(&mut file, format!("{missing}\n").as_bytes()).unwrap();
        }
        return;
    };
    for (kind, number) in [("inclusion", 98), ("consistency", 98)] {
        let mut files = Vec::new();
        json_files(&folder.join(kind), &mut files);
        assert_eq!(files.len(), number, "vectors about {kind}");
        for file in files {
            let octets = std::fs::read(&file).unwrap();
            let vector: serde_json::Value = serde_json::from_slice(&octets).unwrap();
            let good = judge(kind, &vector).is_some();
            let no_hash = file.ends_with("sizes-are-equal-one-and-proof-is-empty.json");
            let wanted = vector["wantErr"] == false && !no_hash;
            assert_eq!(good, wanted, "{}", file.display());
        }
    }
}

/// `None` when the vector's proof is refused, or holds what the types here cannot.
fn judge(kind: &str, vector: &serde_json::Value) -> Option<()> {
    let hash = |name: &str| Hash::from_base64(vector[name].as_str()?);
    let path: Option<Vec<_>> = match vector["proof"].as_array() {
        None => Some(Vec::new()),
        Some(proof) => proof
            .iter()
            .map(|h| Hash::from_base64(h.as_str()?))
            .collect(),
    };
    if kind == "inclusion" {
        let tree = (vector["treeSize"].as_u64()?, hash("root")?);
        let index = vector["leafIdx"].as_u64()?;
        verify_inclusion(hash("leafHash")?, index, &path?, tree).ok()
    } else {
        let earlier = (vector["size1"].as_u64()?, hash("root1")?);
        let later = (vector["size2"].as_u64()?, hash("root2")?);
        verify_consistency(earlier, later, &path?).ok()
    }
}

fn json_files(folder: &std::path::Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            json_files(&path, files);
        } else {
            files.push(path);
        }
    }
}
