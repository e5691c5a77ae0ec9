//! argon2id (RFC 9106) in memory that goes back to the system after each check.

use argon2::password_hash::phc::{Output, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::{LoginError, MAX_PASSWORD, fill_random};

/// Memory of one check, in KiB (OWASP's 19 MiB with two passes).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
/// Blocks of 1 KiB that are asked for at least, whether used or not. The C library keeps freed
/// pieces of up to 32 MiB for itself once it has seen one, in each thread's arena; larger ones
/// always go back to the system. Pages that are not touched cost nothing.
const RESERVED: usize = 33 * 1024;

/// Makes the PHC string of a password, for the settings file.
///
/// # Errors
/// [`LoginError::Hash`] when the password is empty or longer than [`MAX_PASSWORD`].
pub fn hash_password(password: &[u8]) -> Result<String, LoginError> {
    if password.is_empty() || password.len() > MAX_PASSWORD {
        return Err(LoginError::Hash("give 1 to 512 octets"));
    }
    let params = Params::new(MEMORY_KIB, PASSES, 1, None)
        .map_err(|_| LoginError::Hash("argon2 refused its parameters"))?;
    let mut salt = [0; 16];
    fill_random(&mut salt)?;
    let refused = |_| LoginError::Hash("argon2 refused");
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    computed(&params, Version::V0x13, (password, &salt), &mut output)
        .map_err(|()| LoginError::Hash("argon2 refused"))?;
    let hash = PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&params)
            .try_into()
            .map_err(|_| LoginError::Hash("argon2 refused its parameters"))?,
        salt: Some(Salt::new(&salt).map_err(refused)?),
        hash: Some(Output::new(&output).map_err(refused)?),
    };
    Ok(hash.to_string())
}

/// Whether a PHC string is one of argon2id with salt and hash.
pub(super) fn is_usable(hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        hash.algorithm.as_str() == "argon2id"
            && hash.salt.is_some()
            && hash.hash.is_some()
            && Params::try_from(&hash).is_ok()
    })
}

/// Whether the password is that of the PHC string; false when the string is unusable.
pub(super) fn verify(hash: &str, password: &[u8]) -> bool {
    let Ok(hash) = PasswordHash::new(hash) else {
        return false;
    };
    let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
        return false;
    };
    let version = hash
        .version
        .map_or(Ok(Version::default()), Version::try_from);
    let (Ok(params), Ok(version)) = (Params::try_from(&hash), version) else {
        return false;
    };
    let mut output = vec![0; expected.as_bytes().len()];
    computed(&params, version, (password, salt), &mut output).is_ok()
        // Outputs compare in constant time.
        && Output::new(&output).is_ok_and(|output| output == *expected)
}

fn computed(
    params: &Params,
    version: Version,
    (password, salt): (&[u8], &[u8]),
    output: &mut [u8],
) -> Result<(), ()> {
    let used = params.block_count();
    let mut memory: Vec<Block> = Vec::with_capacity(used.max(RESERVED));
    memory.resize_with(used, Block::default);
    Argon2::new(Algorithm::Argon2id, version, params.clone())
        .hash_password_into_with_memory(password, salt, output, &mut memory[..])
        .map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_string_only() {
        let hash = hash_password(b"secret").unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(is_usable(&hash));
        assert!(verify(&hash, b"secret"));
        assert!(!verify(&hash, b"secreT"));
        assert_ne!(hash, hash_password(b"secret").unwrap(), "salts differ");
        assert!(hash_password(b"").is_err());
        assert!(hash_password(&[b'x'; MAX_PASSWORD + 1]).is_err());
    }

    #[test]
    fn a_string_made_by_the_reference_program_verifies() {
        // From the tests of the reference implementation (phc-winner-argon2, test.c).
        let made = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$\
                    nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(verify(made, b"password"));
        assert!(!verify(made, b"Password"));
    }

    #[test]
    fn what_is_no_string_of_argon2id_is_unusable() {
        for hash in [
            "",
            "secret",
            "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$AAAA",
            "$argon2id$",
        ] {
            assert!(!is_usable(hash), "{hash}");
        }
        assert!(!verify("secret", b"secret"));
    }
}
