//! Derives a Terraform schema and its decoding from one Rust declaration.

mod attributes;
mod choice;
mod docs;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a struct's fields Terraform attributes.
///
/// The struct's and the fields' doc comments become descriptions, the field types the types.
/// `#[tf(...)]` on a field takes:
///
/// - `required`, `optional`, `computed`: who gives the value;
/// - `default = EXPRESSION`: the value when none is configured; `{}` for a nested object that is
///   filled from its own defaults. Implies computed;
/// - `replace`: a change makes a new object;
/// - `sensitive`: hidden in output.
#[proc_macro_derive(Attributes, attributes(tf))]
pub fn derive_attributes(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    attributes::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Makes an enum without data a string attribute of given words: `BlueGreen` is `"blue_green"`.
#[proc_macro_derive(Choice)]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
