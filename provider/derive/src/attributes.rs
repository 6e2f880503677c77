//! `derive(Attributes)`.

use crate::docs::doc_text;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Expr, Field, Fields, Ident, Result, Type};

/// One field and what `#[tf(...)]` says of it.
struct Declared<'a> {
    ident: &'a Ident,
    name: String,
    of: &'a Type,
    doc: String,
    flags: Vec<Ident>,
    default: Option<Expr>,
}

const FLAGS: [&str; 5] = ["required", "optional", "computed", "replace", "sensitive"];

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new_spanned(
            &input.ident,
            "attributes are declared by a struct",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(Error::new_spanned(
            &input.ident,
            "attributes are named fields",
        ));
    };
    let fields = fields.named.iter().map(declared);
    let fields = fields.collect::<Result<Vec<_>>>()?;
    let description = doc_text(&input.attrs);
    let declarations = fields.iter().map(declaration);
    let idents: Vec<_> = fields.iter().map(|field| field.ident).collect();
    let names: Vec<_> = fields.iter().map(|field| &field.name).collect();
    let ident = &input.ident;
    let (generics, of, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::immutable::schema::Field for #ident #of #bounds {
            fn kind() -> ::immutable::schema::Kind {
                ::immutable::schema::Kind::Nested(
                    ::immutable::schema::Nesting::Single,
                    <Self as ::immutable::schema::Attributes>::attributes(),
                )
            }

            fn decode(
                tree: &::immutable::value::Tree,
            ) -> ::core::result::Result<Self, ::immutable::value::Findings> {
                let mut object = ::immutable::schema::ObjectReader::open(tree)?;
                #(let #idents = object.field(#names);)*
                object.close((|| ::core::option::Option::Some(Self { #(#idents: #idents?,)* }))())
            }

            fn encode(&self) -> ::immutable::value::Tree {
                ::immutable::value::Tree::Map(::std::collections::BTreeMap::from([
                    #((#names.to_owned(), ::immutable::schema::Field::encode(&self.#idents)),)*
                ]))
            }
        }

        #[automatically_derived]
        impl #generics ::immutable::schema::Attributes for #ident #of #bounds {
            const DESCRIPTION: &'static str = #description;

            fn attributes() -> ::std::vec::Vec<::immutable::schema::Attribute> {
                ::std::vec![#(#declarations),*]
            }
        }
    })
}

fn declared(field: &Field) -> Result<Declared<'_>> {
    let ident = field.ident.as_ref();
    let ident = ident.ok_or_else(|| Error::new_spanned(field, "attributes are named fields"))?;
    let mut flags = Vec::new();
    let mut default = None;
    for attribute in field.attrs.iter().filter(|it| it.path().is_ident("tf")) {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("default") {
                default = Some(meta.value()?.parse()?);
                return Ok(());
            }
            let flag = meta.path.require_ident()?;
            if !FLAGS.iter().any(|known| flag == known) {
                return Err(meta.error(format!("expected default or one of {}", FLAGS.join(", "))));
            }
            flags.push(flag.clone());
            Ok(())
        })?;
    }
    if flags.is_empty() {
        let message = "say who gives the value: #[tf(required)], optional or computed";
        return Err(Error::new_spanned(ident, message));
    }
    Ok(Declared {
        ident,
        // A field named after a Rust keyword is written r#name.
        name: ident.to_string().trim_start_matches("r#").to_owned(),
        of: &field.ty,
        doc: doc_text(&field.attrs),
        flags,
        default,
    })
}

fn declaration(field: &Declared<'_>) -> TokenStream {
    let Declared {
        name,
        of,
        doc,
        flags,
        ..
    } = field;
    let default = field.default.iter();
    quote! {
        ::immutable::schema::Attribute::of::<#of>(#name, #doc)
            #(.#flags())*
            #(.default(#default))*
    }
}
