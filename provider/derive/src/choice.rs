//! `derive(Choice)`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "a choice is declared by an enum",
        ));
    };
    if let Some(variant) = data.variants.iter().find(|it| it.fields != Fields::Unit) {
        return Err(Error::new_spanned(
            variant,
            "a choice is a word without data",
        ));
    }
    let ident = &input.ident;
    let variants: Vec<_> = data.variants.iter().map(|variant| &variant.ident).collect();
    let words: Vec<_> = variants
        .iter()
        .map(|it| snake_case(&it.to_string()))
        .collect();
    let accepts = accepted(&words);
    Ok(quote! {
        #[automatically_derived]
        impl ::immutable::schema::Text for #ident {
            const ACCEPTS: &'static str = #accepts;

            fn parse(text: &str) -> ::core::option::Option<Self> {
                match text {
                    #(#words => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }

            fn text(&self) -> &str {
                match self {
                    #(Self::#variants => #words,)*
                }
            }
        }
    })
}

/// Lists the words: `"a", "b" or "c"`.
fn accepted(words: &[String]) -> String {
    let quoted: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [most @ .., last] => format!("{} or {last}", most.join(", ")),
    }
}

fn snake_case(name: &str) -> String {
    let mut word = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}
