//! By the words that people type.

use liaison_directory_client::{Finess, Rpps};
use liaison_store::StoreError;
use sqlx::AnyConnection;

use super::row::complete;
use crate::entry::Listing;

/// How many words of a search are used; more do not make it more precise.
const SEARCH_WORDS: usize = 4;

/// The listings whose name, activity, town, identifiers or addresses hold every word of `text`,
/// in the order of their names, at most `limit`. Case and accents do not matter; an empty text
/// finds everybody.
pub(crate) async fn search(
    connection: &mut AnyConnection,
    text: &str,
    limit: i64,
) -> Result<Vec<Listing>, StoreError> {
    let folded = fold(text);
    let mut words = folded.split_whitespace().map(contains);
    let mut patterns: [String; SEARCH_WORDS] = Default::default();
    patterns.fill_with(|| words.next().unwrap_or_else(|| "%".to_owned()));
    let [first, second, third, fourth] = patterns;
    let rows = sqlx::query(
        r"SELECT * FROM directory_entry
          WHERE search_text LIKE $1 ESCAPE '\' AND search_text LIKE $2 ESCAPE '\'
            AND search_text LIKE $3 ESCAPE '\' AND search_text LIKE $4 ESCAPE '\'
          ORDER BY search_text, id LIMIT $5",
    )
    .bind(first)
    .bind(second)
    .bind(third)
    .bind(fourth)
    .bind(limit)
    .fetch_all(&mut *connection)
    .await?;
    complete(connection, &rows).await
}

/// What a search looks in, folded; the name first, so that it also sorts by name.
pub(super) fn search_text(listing: &Listing) -> String {
    let mut text = listing.name.clone();
    let mut add = |part: &str| {
        text.push(' ');
        text.push_str(part);
    };
    listing.activity.as_deref().map(&mut add);
    listing.town.as_deref().map(&mut add);
    listing.rpps.as_ref().map(Rpps::as_str).map(&mut add);
    listing.finess.as_ref().map(Finess::as_str).map(&mut add);
    for listed in &listing.mailboxes {
        add(&listed.mailbox.address.to_string());
    }
    fold(&text)
}

/// A text without the capitals and accents of French, so that « lefevre » finds « LEFÈVRE ».
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for letter in text.chars().flat_map(char::to_lowercase) {
        match letter {
            'à' | 'â' | 'ä' => folded.push('a'),
            'ç' => folded.push('c'),
            'é' | 'è' | 'ê' | 'ë' => folded.push('e'),
            'î' | 'ï' => folded.push('i'),
            'ô' | 'ö' => folded.push('o'),
            'ù' | 'û' | 'ü' => folded.push('u'),
            'ÿ' => folded.push('y'),
            'ñ' => folded.push('n'),
            'œ' => folded.push_str("oe"),
            'æ' => folded.push_str("ae"),
            '-' | '\'' | '’' => folded.push(' '),
            other => folded.push(other),
        }
    }
    folded
}

/// The LIKE pattern for a text that holds `word` literally.
fn contains(word: &str) -> String {
    let mut pattern = String::from("%");
    for letter in word.chars() {
        if matches!(letter, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_makes_spellings_of_one_name_equal() {
        assert_eq!(fold("LEFÈVRE-ESSAI Hélène"), "lefevre essai helene");
        assert_eq!(fold("Œuvre d’Açaï"), "oeuvre d acai");
    }

    #[test]
    fn a_searched_word_is_taken_literally() {
        assert_eq!(contains(r"50%_\"), r"%50\%\_\\%");
    }
}
