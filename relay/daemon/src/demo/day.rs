//! A day in the territory, played through the real doors: MLLP in, SMTP over mutual TLS between
//! relays, IMAP out. Each step is checked as it happens; the first that does not hold ends it.

use std::path::PathBuf;
use std::time::Duration;

use liaison_gateway::tracking::State;
use mail_parser::MessageParser;
use tokio::time::Instant;

use super::cast::REPORTS;
use super::client::{Reader, submit};
use super::feed;
use super::territory::{Account, Territory};
use crate::error::CommandError;
use crate::hl7::Feed;
use crate::track;

const EHPAD: &str = "soins@ehpad-tilleuls.test";
const DOCTOR: &str = "claire.garnier@cabinet-riviere.test";
const NURSE: &str = "luc.morel@cabinet-riviere.test";
const PHARMACY: &str = "officine@pharmacie-halle.test";
const WARD: &str = "avis@ch-valombre.test";

/// From the MLLP frame to the message visible in the EHPAD's INBOX.
const VISIBLE_WITHIN: Duration = Duration::from_secs(1);
/// How long a receipt may take to come home.
const RECEIPT_WITHIN: Duration = Duration::from_secs(20);

/// Plays the day.
pub(super) async fn play(territory: &Territory) -> Result<(), CommandError> {
    let day = Day {
        territory,
        began: Instant::now(),
    };
    day.run().await
}

struct Day<'a> {
    territory: &'a Territory,
    began: Instant,
}

impl Day<'_> {
    async fn run(&self) -> Result<(), CommandError> {
        let port = self
            .territory
            .member("hospital")
            .ports
            .mllp
            .unwrap_or_default();
        let mut hospital = Feed::connect(&format!("127.0.0.1:{port}")).await?;

        self.push(
            &mut hospital,
            "admission of Mme LEFEBVRE, who lives in the EHPAD (A01)",
            &feed::admission(),
        )
        .await?;
        self.arrives(
            EHPAD,
            "Entrée à l'hôpital",
            "the EHPAD knows where its resident is",
        )
        .await?;
        self.arrives(DOCTOR, "Entrée à l'hôpital", "so does her family doctor")
            .await?;

        self.push(
            &mut hospital,
            "her discharge is planned for Friday 11:00 (A16)",
            &feed::planned_discharge(),
        )
        .await?;
        self.arrives(EHPAD, "Sortie prévue", "the EHPAD can prepare")
            .await?;

        self.return_to_the_nursing_home(&mut hospital).await?;
        self.discharge_by_mistake(&mut hospital).await?;
        self.report_of_an_error().await?;
        self.say("the day is over; what became of each notice, as the hospital sees it:\n");
        self.show_ledger().await
    }

    /// Saturday 20:30, the case that Liaison exists for.
    async fn return_to_the_nursing_home(&self, hospital: &mut Feed) -> Result<(), CommandError> {
        let mut ehpad = self.reader(EHPAD).await?;
        let sent = Instant::now();
        self.push(
            hospital,
            "Saturday 20:30: she goes back to the EHPAD, unannounced (A03)",
            &feed::discharge(),
        )
        .await?;
        let uid = ehpad.wait_for("Retour à l'EHPAD").await?;
        let taken = sent.elapsed();
        self.say(&format!(
            "  in the EHPAD's INBOX, signed, sealed and opened, {} ms after the MLLP frame",
            taken.as_millis()
        ));
        if taken > VISIBLE_WITHIN {
            return Err(CommandError::Day(format!(
                "it took {taken:?}, more than {VISIBLE_WITHIN:?}"
            )));
        }
        let notice = ehpad.open_message(uid).await?;
        self.say("  the nurse on duty opens it");
        self.reaches("Retour à l'EHPAD", EHPAD, State::Opened)
            .await?;
        self.say("  the hospital sees: opened (by a program; nobody has taken charge yet)");
        self.reply(
            EHPAD,
            &notice,
            "ARRIVÉE\r\n\r\nMme Lefebvre est bien arrivée à 21 h 50.",
        )
        .await?;
        self.reaches("Retour à l'EHPAD", EHPAD, State::TakenCharge)
            .await?;
        self.say("  the nurse answers « ARRIVÉE »; the hospital sees: taken charge, by name");

        let mut doctor = self.reader(DOCTOR).await?;
        let uid = doctor.wait_for("Retour à l'EHPAD").await?;
        let notice = doctor.open_message(uid).await?;
        self.reply(DOCTOR, &notice, "PRIS EN CHARGE").await?;
        self.reaches("Retour à l'EHPAD", DOCTOR, State::TakenCharge)
            .await?;
        self.say("  her family doctor answers « PRIS EN CHARGE »");
        Ok(())
    }

    /// A discharge that was a mistake is taken back from exactly those who were told.
    async fn discharge_by_mistake(&self, hospital: &mut Feed) -> Result<(), CommandError> {
        self.push(
            hospital,
            "M. BERNIER is admitted (A01)",
            &feed::second_admission(),
        )
        .await?;
        self.push(
            hospital,
            "he is said to go home, care prescribed (A03)",
            &feed::second_discharge(),
        )
        .await?;
        self.arrives(NURSE, "Sortie à domicile", "his nurse is called at once")
            .await?;
        self.push(
            hospital,
            "a mistake: he stays (A13)",
            &feed::second_discharge_cancelled(),
        )
        .await?;
        self.arrives(NURSE, "ANNULE", "his nurse hears of it before setting out")
            .await?;
        self.arrives(DOCTOR, "ANNULE", "and so does everybody else who was told")
            .await
    }

    async fn report_of_an_error(&self) -> Result<(), CommandError> {
        let account = self.territory.account(PHARMACY)?;
        let message = format!(
            "From: {name} <{PHARMACY}>\r\nTo: {REPORTS}\r\nSubject: Erreur de dosage\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\r\n\
             Ordonnance de sortie : comprimé de 5 mg au lieu de 2,5 mg. Vu avant délivrance, \
             prescripteur prévenu.\r\n",
            name = encoded(&account.name),
        );
        self.submit(account, REPORTS, &message).await?;
        self.say("the pharmacist reports a medication error by ordinary mail");
        self.arrives(
            PHARMACY,
            "Signalement",
            "a receipt that she can verify comes back",
        )
        .await
    }

    /// Pushes a message and checks that it was committed.
    async fn push(
        &self,
        hospital: &mut Feed,
        what: &str,
        message: &str,
    ) -> Result<(), CommandError> {
        let answer = hospital.send(message.as_bytes()).await?;
        let answer = String::from_utf8_lossy(&answer);
        if !answer.contains("\rMSA|CA|") {
            return Err(CommandError::Day(format!(
                "the hospital was answered {answer}"
            )));
        }
        self.say(&format!("hospital: {what}"));
        Ok(())
    }

    async fn arrives(&self, address: &str, words: &str, meaning: &str) -> Result<(), CommandError> {
        let mut reader = self.reader(address).await?;
        reader.wait_for(words).await?;
        self.say(&format!("  {address}: « {words} »: {meaning}"));
        Ok(())
    }

    async fn reader(&self, address: &str) -> Result<Reader, CommandError> {
        let account = self.territory.account(address)?;
        let ports = self.territory.member(&account.member).ports;
        Reader::open(&self.ca(), ports.imaps, account).await
    }

    async fn reply(&self, author: &str, notice: &[u8], text: &str) -> Result<(), CommandError> {
        let parsed = MessageParser::default()
            .parse_headers(notice)
            .ok_or_else(|| CommandError::Day("the notice is not a message".to_owned()))?;
        let id = parsed.message_id().unwrap_or_default();
        let account = self.territory.account(author)?;
        let name = encoded(&account.name);
        let message = format!(
            "From: {name} <{author}>\r\nTo: {WARD}\r\nSubject: Re: avis\r\nIn-Reply-To: <{id}>\r\n\
             References: <{id}>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n"
        );
        self.submit(account, WARD, &message).await
    }

    async fn submit(&self, account: &Account, to: &str, message: &str) -> Result<(), CommandError> {
        let ports = self.territory.member(&account.member).ports;
        submit(&self.ca(), ports.submissions, account, to, message).await
    }

    /// Waits until the hospital's ledger says that a recipient of the newest notice of this
    /// title has come this far.
    async fn reaches(&self, title: &str, address: &str, state: State) -> Result<(), CommandError> {
        let settings = self.hospital_settings()?;
        let deadline = Instant::now() + RECEIPT_WITHIN;
        loop {
            let messages = liaison_gateway::track(&settings, 50).await?;
            let reached = messages
                .iter()
                .filter(|message| message.subject.title == title)
                .flat_map(|message| &message.recipients)
                .any(|recipient| {
                    recipient
                        .address
                        .as_ref()
                        .is_some_and(|a| a.key() == address)
                        && recipient.state == state
                });
            if reached {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(CommandError::Day(format!(
                    "{address} was not seen as « {state} » within {RECEIPT_WITHIN:?}"
                )));
            }
            // The ledger is read as `liaison track` reads it, from outside: there is no event to
            // wait for.
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[expect(clippy::print_stdout, reason = "the demo speaks to its user")]
    async fn show_ledger(&self) -> Result<(), CommandError> {
        let mut messages = liaison_gateway::track(&self.hospital_settings()?, 50).await?;
        messages.reverse();
        println!("{}\n", track::as_text(&messages).trim());
        Ok(())
    }

    fn hospital_settings(&self) -> Result<liaison_gateway::Settings, CommandError> {
        crate::config::Config::load(&self.territory.config("hospital"))?
            .gateway
            .ok_or(CommandError::Settings("the hospital has no gateway"))
    }

    fn ca(&self) -> PathBuf {
        self.territory.ca()
    }

    #[expect(clippy::print_stdout, reason = "the demo speaks to its user")]
    fn say(&self, words: &str) {
        println!("[{:>7.3} s] {words}", self.began.elapsed().as_secs_f64());
    }
}

/// A display name for a header (RFC 2047).
fn encoded(name: &str) -> String {
    use base64::Engine as _;
    let text = base64::engine::general_purpose::STANDARD.encode(name);
    format!("=?UTF-8?B?{text}?=")
}
