//! The calls about functions.

use super::service::Shared;
use super::value;
use crate::resource::{BadCall, Provider};
use crate::schema::{Signature, parameter_type};
use crate::value::{Tree, Type};
use immutable_proto::tfplugin6 as wire;
use std::collections::BTreeMap;
use wire::call_function;

/// All signatures, as the schema and the list of functions tell them.
pub(super) fn all<P: Provider>(shared: &Shared<P>) -> BTreeMap<String, wire::Function> {
    let functions = shared.functions.iter();
    functions
        .map(|(name, function)| (name.to_owned(), encode(function.signature())))
        .collect()
}

fn encode(signature: &Signature) -> wire::Function {
    let parameters = signature.parameters.iter();
    let parameters = parameters.map(|parameter| wire::function::Parameter {
        name: parameter.name.to_owned(),
        r#type: parameter_type(parameter).to_json(),
        description: parameter.description.to_owned(),
        description_kind: wire::StringKind::Markdown.into(),
        allow_null_value: parameter.nullable,
        // A call with an unknown argument is not made: its answer is unknown as well.
        allow_unknown_values: false,
    });
    wire::Function {
        parameters: parameters.collect(),
        r#return: Some(wire::function::Return {
            r#type: signature.answer.value_type().to_json(),
        }),
        summary: signature.summary().to_owned(),
        description: signature.description.clone(),
        description_kind: wire::StringKind::Markdown.into(),
        ..Default::default()
    }
}

pub(super) fn call<P: Provider>(
    shared: &Shared<P>,
    request: &call_function::Request,
) -> call_function::Response {
    match answer(shared, request) {
        Ok(answer) => call_function::Response {
            result: Some(answer),
            error: None,
        },
        Err(bad) => failed(&bad),
    }
}

fn answer<P: Provider>(
    shared: &Shared<P>,
    request: &call_function::Request,
) -> Result<wire::DynamicValue, BadCall> {
    let name = &request.name;
    let function = shared.functions.get(name).ok_or_else(|| {
        general(format!(
            "this version of the provider has no function {name}"
        ))
    })?;
    let signature = function.signature();
    let typed = signature.parameters.iter().zip(&request.arguments);
    let arguments = typed.zip(0..).map(|((parameter, argument), position)| {
        decode(argument, &parameter_type(parameter), position)
    });
    let arguments = arguments.collect::<Result<Vec<Tree>, BadCall>>()?;
    let answer = function.call(arguments)?;
    let encoded = value::encode(&answer, &signature.answer.value_type());
    encoded.map_err(|diagnostics| {
        let told = diagnostics.iter().map(|it| it.detail.as_str());
        general(told.collect::<Vec<_>>().join(" "))
    })
}

fn decode(argument: &wire::DynamicValue, of: &Type, position: usize) -> Result<Tree, BadCall> {
    value::decode(Some(argument), of).map_err(|diagnostics| {
        let told = diagnostics.iter().map(|it| it.detail.as_str());
        BadCall {
            argument: Some(position),
            text: told.collect::<Vec<_>>().join(" "),
        }
    })
}

fn general(text: String) -> BadCall {
    BadCall {
        argument: None,
        text,
    }
}

/// The answer to a call that went wrong. Terraform ends the text with a full stop of its own.
pub(super) fn failed(bad: &BadCall) -> call_function::Response {
    let position = bad.argument.and_then(|it| i64::try_from(it).ok());
    call_function::Response {
        result: None,
        error: Some(wire::FunctionError {
            text: bad.text.trim_end_matches('.').to_owned(),
            function_argument: position,
        }),
    }
}

/// The answer where a call broke off: a function knows no diagnostics.
pub(super) fn broken(diagnostics: &[wire::Diagnostic]) -> call_function::Response {
    let told = diagnostics.iter().map(|it| it.summary.as_str());
    failed(&general(told.collect::<Vec<_>>().join(" ")))
}
