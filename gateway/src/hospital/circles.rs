//! The member's own store of care circles: what was imported, beside the file of the settings.
//!
//! It stays at the hospital, sealed; a patient is found by a keyed digest of the INS or of the
//! facility's own number. A later import of the same member of the same patient replaces it.

use liaison_base::clock::millis;
use liaison_hl7::adt::AdtEvent;
use sqlx::{AnyConnection, Row as _};
use time::OffsetDateTime;

use super::circle_import::Line;
use super::feed::{Feed, Parts};
use crate::GatewayError;
use crate::notices::explain::named;
use crate::notices::{CareCircle, CareMember, Episode, PatientKey};

/// Lines written in one transaction.
const AT_ONCE: usize = 500;
/// Patient keys asked for in one statement: the INS, the number, and two that were merged away.
const KEYS: usize = 4;

/// What an import came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Members of circles, counted once for each way their patient was named.
    pub members: usize,
    /// Those of other patients of the store that were there before and stay.
    pub before: i64,
}

impl Feed {
    /// Takes the lines of a file into the store. With `replace`, the patients whom the file names
    /// keep only what it says.
    ///
    /// # Errors
    /// [`GatewayError`]; what was written before stays, and the import can be repeated.
    pub async fn import_circles(
        &self,
        lines: Vec<Line>,
        replace: bool,
    ) -> Result<Imported, GatewayError> {
        let now = self.0.clock.now();
        let before: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM care_member")
            .fetch_one(self.0.store.read())
            .await?;
        if replace {
            let keys: Vec<Vec<u8>> = lines
                .iter()
                .flat_map(|line| &line.patients)
                .map(|patient| self.0.patient_tag(patient))
                .collect();
            for some in keys.chunks(AT_ONCE) {
                let some = some.to_vec();
                self.0
                    .store
                    .write(move |tx| Box::pin(async move { forget(tx, &some).await }))
                    .await?;
            }
        }
        let mut members = 0;
        for some in lines.chunks(AT_ONCE) {
            let (this, some) = (self.clone(), some.to_vec());
            members += self
                .0
                .store
                .write(move |tx| Box::pin(async move { this.0.keep_members(tx, &some, now).await }))
                .await?;
        }
        Ok(Imported { members, before })
    }

    /// Who is around a patient: of the settings' file and of the store.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be read.
    pub async fn circle_of(&self, patient: &PatientKey) -> Result<Vec<CareMember>, GatewayError> {
        let mut members = self.0.circle.of(patient).to_vec();
        let rows = sqlx::query("SELECT content FROM care_member WHERE patient_key = $1")
            .bind(self.0.patient_tag(patient))
            .fetch_all(self.0.store.read())
            .await?;
        for row in rows {
            members.push(self.0.open_member(&row.try_get::<Vec<u8>, _>(0)?)?);
        }
        Ok(members)
    }

    /// Forgets what was imported about a patient. Gives how many members there were.
    ///
    /// # Errors
    /// [`GatewayError`] when the database cannot be written.
    pub async fn forget_circle(&self, patient: &PatientKey) -> Result<u64, GatewayError> {
        let keys = vec![self.0.patient_tag(patient)];
        self.0
            .store
            .write(move |tx| Box::pin(async move { forget(tx, &keys).await }))
            .await
    }
}

impl Parts {
    /// The care circle of the patient of a stay and of an event: the file's and the store's.
    pub(super) async fn circle_around(
        &self,
        tx: &mut AnyConnection,
        episode: &Episode,
        event: Option<&AdtEvent>,
    ) -> Result<CareCircle, GatewayError> {
        let patients = patients_of(episode, event);
        let mut circle = self.circle.only(&patients);
        for some in patients.chunks(KEYS) {
            let mut keys: Vec<Vec<u8>> = some.iter().map(|one| self.patient_tag(one)).collect();
            let first = keys[0].clone();
            keys.resize(KEYS, first);
            let rows = sqlx::query(
                "SELECT patient_key, content FROM care_member
                 WHERE patient_key IN ($1, $2, $3, $4) ORDER BY changed_at",
            )
            .bind(keys[0].clone())
            .bind(keys[1].clone())
            .bind(keys[2].clone())
            .bind(keys[3].clone())
            .fetch_all(&mut *tx)
            .await?;
            for row in rows {
                let key: Vec<u8> = row.try_get(0)?;
                let member = self.open_member(&row.try_get::<Vec<u8>, _>(1)?)?;
                let whose = keys.iter().position(|one| *one == key);
                if let Some(patient) = whose.and_then(|at| some.get(at)) {
                    circle.insert(patient.clone(), member);
                }
            }
        }
        Ok(circle)
    }

    async fn keep_members(
        &self,
        tx: &mut AnyConnection,
        lines: &[Line],
        now: OffsetDateTime,
    ) -> Result<usize, GatewayError> {
        let mut count = 0;
        for line in lines {
            let member = &line.member;
            let plain = serde_json::to_vec(member)
                .map_err(|_| GatewayError::Stored("care member to be written"))?;
            let text = format!("{}\n{}", member.role.label(), named(&member.target));
            for patient in &line.patients {
                sqlx::query(
                    "INSERT INTO care_member (patient_key, member_key, changed_at, content)
                     VALUES ($1, $2, $3, $4)
                     ON CONFLICT (patient_key, member_key) DO UPDATE
                     SET changed_at = excluded.changed_at, content = excluded.content",
                )
                .bind(self.patient_tag(patient))
                .bind(self.key.tag("care member", text.as_bytes()))
                .bind(millis(now))
                .bind(self.key.seal("care member", &plain)?)
                .execute(&mut *tx)
                .await?;
                count += 1;
            }
        }
        Ok(count)
    }

    fn patient_tag(&self, patient: &PatientKey) -> Vec<u8> {
        let text = match patient {
            PatientKey::Ins(ins) => format!("ins\n{ins}"),
            PatientKey::Local { facility, ipp } => format!("local\n{facility}\n{ipp}"),
        };
        self.key.tag("care patient", text.as_bytes())
    }

    fn open_member(&self, sealed: &[u8]) -> Result<CareMember, GatewayError> {
        let plain = self.key.open("care member", sealed)?;
        serde_json::from_slice(&plain).map_err(|_| GatewayError::Stored("care member"))
    }
}

/// Every way to name the patient of a stay, at least one.
fn patients_of(episode: &Episode, event: Option<&AdtEvent>) -> Vec<PatientKey> {
    let facility = &episode.key.facility;
    let local = |ipp: &String| PatientKey::Local {
        facility: facility.clone(),
        ipp: ipp.clone(),
    };
    let mut patients = vec![local(&episode.person.ipp)];
    let qualified = event.and_then(|event| event.patient.qualified_ins());
    let others = [
        event.map(|event| local(&event.patient.ipp)),
        episode.person.ins.clone().map(PatientKey::Ins),
        qualified.map(|ins| PatientKey::Ins(ins.value.clone())),
    ];
    let former = episode.former.iter().map(local);
    for patient in others.into_iter().flatten().chain(former) {
        if !patients.contains(&patient) {
            patients.push(patient);
        }
    }
    patients
}

async fn forget(tx: &mut AnyConnection, keys: &[Vec<u8>]) -> Result<u64, GatewayError> {
    let mut gone = 0;
    for key in keys {
        gone += sqlx::query("DELETE FROM care_member WHERE patient_key = $1")
            .bind(key.clone())
            .execute(&mut *tx)
            .await?
            .rows_affected();
    }
    Ok(gone)
}
