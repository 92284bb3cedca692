//! Links the targets without the dependencies' debug information: eight times 150 MB and not eight times 300.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-debug");
    }
}
