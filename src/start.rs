//! The start of `hedgerow-torch`, the program that runs models, and what keeps libtorch out of this
//! one.
//!
//! Both programs are linked with the same library. The linker takes libtorch into a program as soon
//! as one object file that it has taken calls a function of libtorch's C interface, even if the
//! program never does. So this program brings functions of its own under these names, which are
//! never called. `build.rs` lists the names. Without the list, or on another system than Linux,
//! this program is linked with libtorch as well: it then starts more slowly, and does the same.

use crate::start_version;
use std::env;
use std::io;
use std::process::{Command, ExitCode};

#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
mod unused {
    std::arch::global_asm!(include_str!(concat!(env!("OUT_DIR"), "/unused_functions.s")));
}

/// Runs `hedgerow-torch` with the arguments of this process.
///
/// On Unix the process becomes the other program, so this function returns only if that fails.
/// Elsewhere it waits, and gives the exit code.
///
/// OpenMP reads `OMP_WAIT_POLICY` while it is loaded, so it is set here. With `passive`, threads
/// sleep while they wait for work. Otherwise they spin, and two spinning threads beside another
/// busy process decode at a quarter of the speed.
///
/// An environment variable tells the other program the version of this one, so that it can refuse
/// to serve a command of another version.
pub fn hedgerow_torch() -> io::Result<ExitCode> {
    let name = format!("hedgerow-torch{}", env::consts::EXE_SUFFIX);
    let program = env::current_exe()?.with_file_name(name);
    let mut arguments = env::args_os();
    let own_name = arguments.next();
    let mut command = Command::new(&program);
    command.args(arguments).env(start_version::VARIABLE, start_version::OWN);
    if env::var_os("OMP_WAIT_POLICY").is_none() {
        command.env("OMP_WAIT_POLICY", "passive");
    }
    let error = match run(&mut command, own_name) {
        Ok(code) => return Ok(code),
        Err(error) => error,
    };
    Err(io::Error::new(error.kind(), format!("`{}`: {error}", program.display())))
}

#[cfg(unix)]
fn run(command: &mut Command, own_name: Option<std::ffi::OsString>) -> io::Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    if let Some(name) = own_name {
        command.arg0(name);
    }
    Err(command.exec())
}

#[cfg(not(unix))]
fn run(command: &mut Command, _own_name: Option<std::ffi::OsString>) -> io::Result<ExitCode> {
    let code = command.status()?.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
