//! What a function is: declared parameters, a declared answer and a pure function between them.

use super::named::Named;
use crate::schema::{Attributes, Field, Signature, strangers, with_defaults};
use crate::value::{Finding, Findings, Step, Tree};
use std::sync::Arc;

/// A function that configurations can call, typed.
///
/// It must be pure: Terraform calls it without a configured provider, any number of times, and
/// refuses an answer that changes.
pub trait Function: Send + Sync + Sized + 'static {
    /// The name behind the provider's: `release_id` is `provider::immutable::release_id`.
    const NAME: &'static str;

    /// The parameters, in the order of declaration. The struct's doc comment says what the function
    /// does; its first sentence is the summary.
    type Arguments: Attributes;

    /// What it answers.
    type Answer: Field;

    /// Answers.
    ///
    /// # Errors
    /// What is wrong with an argument; the first step of the path names it.
    fn call(&self, arguments: Self::Arguments) -> Result<Self::Answer, Findings>;
}

/// What is wrong with a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadCall {
    /// The position of the argument to blame, counted from 0; absent: no single one.
    pub argument: Option<usize>,
    /// What is wrong, as a sentence.
    pub text: String,
}

/// A function without its types.
pub trait AnyFunction: Send + Sync {
    /// What is declared.
    fn signature(&self) -> &Signature;

    /// Answers arguments in their order.
    ///
    /// # Errors
    /// What is wrong with the call.
    fn call(&self, arguments: Vec<Tree>) -> Result<Tree, BadCall>;
}

/// The functions of a provider by name.
pub type Functions = Named<dyn AnyFunction>;

impl Functions {
    /// Adds one.
    #[must_use]
    pub fn with<F: Function>(self, function: F) -> Functions {
        let signature = Signature::of::<F::Arguments, F::Answer>(F::NAME);
        self.and(
            F::NAME,
            Arc::new(Typed {
                function,
                signature,
            }),
        )
    }
}

struct Typed<F> {
    function: F,
    signature: Signature,
}

impl<F: Function> AnyFunction for Typed<F> {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn call(&self, arguments: Vec<Tree>) -> Result<Tree, BadCall> {
        let parameters = &self.signature.parameters;
        let named = parameters.iter().zip(arguments);
        let named = named.map(|(parameter, value)| (parameter.name.to_owned(), value));
        let given = Tree::Map(named.collect());
        let unknown = strangers(parameters, &given);
        let answer = if unknown.is_empty() {
            F::Arguments::decode(&with_defaults(parameters, given))
                .and_then(|arguments| self.function.call(arguments))
        } else {
            Err(unknown)
        };
        answer
            .map(|answer| answer.encode())
            .map_err(|findings| self.bad_call(findings))
    }
}

impl<F> Typed<F> {
    /// Terraform can point at one argument: the first to blame, with all that is wrong with it.
    fn bad_call(&self, findings: Findings) -> BadCall {
        let findings: Vec<Finding> = findings.into_iter().collect();
        let blamed = |finding: &Finding| match finding.path.steps().first() {
            Some(Step::Attribute(name)) => {
                let mut names = self.signature.parameters.iter().map(|it| it.name);
                names.position(|it| it == name)
            }
            Some(Step::Key(_) | Step::Index(_)) | None => None,
        };
        let argument = findings.first().and_then(blamed);
        let told = findings.iter().filter(|it| blamed(it) == argument);
        let sentences: Vec<String> = told.map(sentence).collect();
        BadCall {
            argument,
            text: sentences.join(" "),
        }
    }
}

/// A finding as a sentence. The argument itself is named by Terraform; what lies within it is not.
fn sentence(finding: &Finding) -> String {
    let mut letters = finding.message.trim_end_matches('.').chars();
    let first = letters.next().map(char::to_uppercase);
    let message = first.into_iter().flatten().chain(letters);
    let message: String = message.collect();
    if finding.path.steps().len() > 1 {
        format!("{}: {message}.", finding.path)
    } else {
        format!("{message}.")
    }
}
