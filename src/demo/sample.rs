//! The sample app
