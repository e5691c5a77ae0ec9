use proptest::prelude::*;
use time::macros::datetime;

use super::*;
use crate::model::Period;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn origin(source: Source, signer: &str, sequence: u64) -> Origin {
    Origin {
        source,
        signer: signer.to_owned(),
        observed_at: NOW,
        sequence,
    }
}

fn said(subject: &Subject, origin: Origin, field: Field, value: &str) -> Assertion {
    Assertion {
        subject: subject.clone(),
        origin,
        period: Period::ALWAYS,
        facts: vec![(field, value.to_owned())],
    }
}

#[test]
fn the_register_is_believed_about_identity_and_the_other_is_listed() {
    let person = Subject::local_person("t", "1");
    let folded = fold(
        &[
            said(
                &person,
                origin(Source::Owner, "a", 9),
                Field::FamilyName,
                "FAUX",
            ),
            said(
                &person,
                origin(Source::Rpps, "ANS", 1),
                Field::FamilyName,
                "VRAI",
            ),
        ],
        NOW,
    );
    assert_eq!(folded.value(&person, Field::FamilyName), Some("VRAI"));
    assert_eq!(folded.conflicts.len(), 1);
    assert_eq!(folded.conflicts[0].other, ["FAUX"]);
}

#[test]
fn what_is_spelt_with_other_accents_is_no_conflict() {
    let person = Subject::local_person("t", "1");
    let folded = fold(
        &[
            said(
                &person,
                origin(Source::Community, "a", 1),
                Field::FamilyName,
                "Lefèvre",
            ),
            said(
                &person,
                origin(Source::Rpps, "ANS", 1),
                Field::FamilyName,
                "LEFEVRE",
            ),
        ],
        NOW,
    );
    assert!(folded.conflicts.is_empty());
}

#[test]
fn a_certificate_that_was_only_observed_is_listed_and_never_shown() {
    let mailbox = Subject::local_person("t", "1")
        .mailbox(&liaison_mail::Address::parse("a@b.test").unwrap())
        .certificate("00");
    let folded = fold(
        &[said(
            &mailbox,
            origin(Source::Observation, "relay", 1),
            Field::Der,
            "AAAA",
        )],
        NOW,
    );
    assert_eq!(folded.value(&mailbox, Field::Der), None);
    assert_eq!(folded.conflicts.len(), 1);
}

#[test]
fn a_signers_later_word_stands_and_an_empty_one_takes_back() {
    let person = Subject::local_person("t", "1");
    let mut all = vec![
        said(
            &person,
            origin(Source::Community, "a", 1),
            Field::Description,
            "un",
        ),
        said(
            &person,
            origin(Source::Community, "a", 2),
            Field::Description,
            "deux",
        ),
    ];
    assert_eq!(
        fold(&all, NOW).value(&person, Field::Description),
        Some("deux")
    );
    all.push(said(
        &person,
        origin(Source::Community, "a", 3),
        Field::Description,
        "",
    ));
    assert_eq!(fold(&all, NOW).value(&person, Field::Description), None);
}

#[test]
fn an_assertion_holds_in_its_period_only() {
    let person = Subject::local_person("t", "1");
    let mut one = said(
        &person,
        origin(Source::Community, "a", 1),
        Field::Description,
        "un",
    );
    one.period.until = Some(NOW);
    assert!(
        fold(std::slice::from_ref(&one), NOW)
            .value(&person, Field::Description)
            .is_some()
    );
    let later = NOW + time::Duration::SECOND;
    assert!(fold(&[one], later).subjects.is_empty());
}

fn any_assertion() -> impl Strategy<Value = Assertion> {
    let fields = prop::sample::select(vec![
        Field::Name,
        Field::Town,
        Field::Phone,
        Field::Identifier,
        Field::Purpose,
        Field::Der,
        Field::LastBounce,
    ]);
    let subjects = prop::sample::select(vec![
        Subject::local_person("t", "1"),
        Subject::local_person("t", "1").role("r"),
        Subject::local_person("t", "1")
            .role("r")
            .mailbox(&liaison_mail::Address::parse("a@b.test").unwrap()),
    ]);
    (
        subjects,
        prop::sample::select(Source::ALL.to_vec()),
        "[ab]",
        0_u64..3,
        prop::collection::vec((fields, "[xyz]?"), 0..4),
        prop::option::of(-2_i64..2),
    )
        .prop_map(
            |(subject, source, signer, sequence, facts, until)| Assertion {
                subject,
                origin: origin(source, &signer, sequence),
                period: Period {
                    from: None,
                    until: until.map(|days| NOW + time::Duration::days(days)),
                },
                facts,
            },
        )
}

type Shown = (Subject, Field, Vec<String>);

/// What is shown and listed, without the order of values and conflicts.
fn essence(mut folded: Folded) -> (Vec<Shown>, Vec<String>) {
    let mut shown: Vec<_> = std::mem::take(&mut folded.subjects)
        .into_iter()
        .flat_map(|(subject, facts)| {
            facts.into_iter().map(move |mut fact| {
                fact.values.sort();
                (subject.clone(), fact.field, fact.values)
            })
        })
        .collect();
    shown.sort();
    let mut conflicts: Vec<_> = folded
        .conflicts
        .into_iter()
        .map(|mut one| {
            one.shown.sort();
            one.other.sort();
            format!("{one:?}")
        })
        .collect();
    conflicts.sort();
    (shown, conflicts)
}

proptest! {
    #[test]
    fn the_fold_does_not_depend_on_the_order_of_arrival(
        (one, other) in prop::collection::vec(any_assertion(), 0..12)
            .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle()))
    ) {
        prop_assert_eq!(essence(fold(&one, NOW)), essence(fold(&other, NOW)));
    }

    #[test]
    fn hearing_it_twice_changes_nothing(all in prop::collection::vec(any_assertion(), 0..8)) {
        let mut twice = all.clone();
        twice.extend(all.clone());
        prop_assert_eq!(essence(fold(&all, NOW)), essence(fold(&twice, NOW)));
    }

    #[test]
    fn nothing_that_was_said_is_hidden(all in prop::collection::vec(any_assertion(), 0..8)) {
        let folded = fold(&all, NOW);
        for assertion in all.iter().filter(|one| one.period.holds(NOW)) {
            for (field, value) in assertion.facts.iter().filter(|(_, value)| !value.is_empty()) {
                let replaced = all.iter().any(|other| {
                    other.subject == assertion.subject
                        && other.origin.source == assertion.origin.source
                        && other.origin.signer == assertion.origin.signer
                        && other.period.holds(NOW)
                        && (other.origin.sequence > assertion.origin.sequence
                            || (other.origin.sequence == assertion.origin.sequence
                                && !field.is_set()))
                        && other.facts.iter().any(|(f, v)| f == field && v != value)
                });
                let shown = folded.values(&assertion.subject, *field).contains(value);
                let listed = folded.conflicts.iter().any(|conflict| {
                    conflict.subject == assertion.subject
                        && conflict.field == *field
                        && conflict.other.contains(value)
                });
                prop_assert!(shown || listed || replaced, "{:?} {}", field, value);
            }
        }
    }
}
