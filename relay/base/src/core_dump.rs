//! No core dump: it would hold keys, and what patients' messages say, in the clear.

use std::io;

use rustix::process::{Resource, Rlimit, setrlimit};

/// Lets this process, and those that it starts, leave no core file, whatever its user's limit is. The
/// hard limit too, so that nothing in the process raises it again (setrlimit(2)).
///
/// # Errors
/// When the kernel refuses to lower a limit.
pub fn forbid() -> io::Result<()> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
