//! What an instance does when it boots: puts the config in place, resolves the secrets, and runs the
//! user's own script.
//!
//! Config and secrets are a boothook of cloud-init's: it runs at every boot in the stage in which the
//! network comes up, and `network-online.target` waits for it, so that a service of the image can. A
//! script would run last of all, when services have long started, and at the first boot alone. Source:
//! cloud-init's `handlers/boot_hook.py` and `systemd/cloud-init.service.tmpl`.

use super::failure::{Failure, Result};
use crate::cloud::ErrorKind;
use crate::model::{AwsLaunch, LaunchTemplate};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

/// EC2 takes so many bytes, before they are encoded.
const LONGEST: usize = 16 * 1024;

/// Ends the parts of a document with several. It is in no part: what is ours is base64 or fixed text,
/// and the user's part is checked.
const BOUNDARY: &str = "==immutable-part==";

/// By this line cloud-init knows a boothook that is not a part of a document.
const BOOTHOOK: &str = "#cloud-boothook\n";

/// Where members find their config and secrets, in the form that systemd's `EnvironmentFile=` and a
/// shell read alike.
const CONFIG_FILE: &str = "/etc/immutable/config.env";

/// How the boothook begins.
const BEGINNING: &str = "#!/bin/sh\nset -eu\numask 077\nmkdir -p /etc/immutable\n";

/// Defines how a reference is resolved with the instance's own role, and begins the file of secrets.
/// The values are never in the user data, which anyone who may describe the instance can read, and
/// are kept in memory only.
///
/// Everything of the image's own that could still be missing this early is waited for half a minute:
/// names that are not resolved yet, a role that EC2 does not know yet. No call may hold the boot up
/// for longer than its time.
const RESOLVE: &str = r#"mkdir -p /run/immutable
command -v aws >/dev/null || { echo "immutable: the image has no aws command for its secrets" >&2; exit 1; }
export AWS_METADATA_SERVICE_NUM_ATTEMPTS=3
resolved() {
  region=$(echo "$1" | cut -d: -f4)
  case "$1" in
    arn:*:secretsmanager:*) set -- secretsmanager get-secret-value --secret-id "$1" --query SecretString ;;
    *) set -- ssm get-parameter --with-decryption --name "$1" --query Parameter.Value ;;
  esac
  aws "$@" --region "$region" --output text --cli-connect-timeout 5 --cli-read-timeout 10
}
secret() {
  case "$2" in
    arn:*:secretsmanager:*|arn:*:ssm:*:parameter/*) ;;
    *) echo "immutable: cannot resolve the reference of $1" >&2; exit 1 ;;
  esac
  tries=1
  until value=$(resolved "$2"); do
    [ "$tries" -lt 10 ] || { echo "immutable: the secret $1 could not be read" >&2; exit 1; }
    tries=$((tries + 1))
    sleep 3
  done
  printf '%s="%s"\n' "$1" "$(printf %s "$value" | sed 's/[\\"$`]/\\&/g')" >> /run/immutable/secrets.new
}
: > /run/immutable/secrets.new
"#;

/// Builds the user data of a generation's instances, encoded for EC2; absent: there is none.
///
/// The user's part comes after ours.
///
/// # Errors
/// It is over EC2's limit, or the user's part is of a kind that cannot be combined.
pub(super) fn encoded(launch: &LaunchTemplate, aws: &AwsLaunch) -> Result<Option<String>> {
    let own = boothook(&launch.config, &launch.secrets, launch.port);
    let text = match (own, aws.user_data.as_deref()) {
        (None, None) => return Ok(None),
        (None, Some(user)) => user.to_owned(),
        (Some(own), None) => format!("{BOOTHOOK}{own}"),
        (Some(own), Some(user)) => combined(&own, user)?,
    };
    if text.len() > LONGEST {
        return Err(Failure::refused(
            ErrorKind::Invalid,
            format!(
                "config, secrets and user_data make {} bytes of user data, and EC2 takes {LONGEST}: \
                 put large files into the image, or fetch them at boot",
                text.len()
            ),
        ));
    }
    Ok(Some(STANDARD.encode(text)))
}

/// The script that puts config and secrets in place, as often as it runs: a file is whole or as it was
/// before. Absent: there are none.
fn boothook(
    config: &BTreeMap<String, String>,
    secrets: &BTreeMap<String, String>,
    port: Option<u16>,
) -> Option<String> {
    if config.is_empty() && secrets.is_empty() {
        return None;
    }
    let mut config = config.clone();
    if let Some(port) = port {
        config
            .entry("PORT".to_owned())
            .or_insert_with(|| port.to_string());
    }
    let lines: String = config
        .iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(value)))
        .collect();
    let end = end_of(&lines);
    let mut script = format!(
        "{BEGINNING}cat > {CONFIG_FILE}.new <<'{end}'\n{lines}{end}\n\
         mv {CONFIG_FILE}.new {CONFIG_FILE}\n"
    );
    if secrets.is_empty() {
        return Some(script);
    }
    script.push_str(RESOLVE);
    for (name, reference) in secrets {
        let reference = reference.replace('\'', "'\\''");
        // Writing to a String does not fail.
        let _ = writeln!(script, "secret {name} '{reference}'");
    }
    script.push_str("mv /run/immutable/secrets.new /run/immutable/secrets.env\n");
    Some(script)
}

/// A line that ends the lines and is none of them.
fn end_of(lines: &str) -> String {
    let mut end = "END".to_owned();
    while lines.lines().any(|line| line == end) {
        end.push('_');
    }
    end
}

/// Quotes a value the way that a shell and systemd both read.
fn quoted(value: &str) -> String {
    let mut quoted = String::from("\"");
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

/// What user data was made of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Decoded {
    pub(super) config: BTreeMap<String, String>,
    pub(super) secrets: BTreeMap<String, String>,
    pub(super) user_data: Option<String>,
}

/// Takes user data apart that [`encoded`] made. What it did not make is the user's own as it stands.
pub(super) fn decoded(encoded: &str, port: Option<u16>) -> Decoded {
    let bytes = STANDARD.decode(encoded.trim()).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let (own, user) = parts(&text);
    let own = own.as_deref();
    let lines = own.and_then(between_marks).unwrap_or_default();
    let mut config = assignments(lines);
    if config.get("PORT").map(String::as_str) == port.map(|port| port.to_string()).as_deref() {
        config.remove("PORT");
    }
    let resolved = own.map(|own| own.lines().filter_map(secret).collect());
    Decoded {
        config,
        secrets: resolved.unwrap_or_default(),
        user_data: user.map(Cow::into_owned).filter(|user| !user.is_empty()),
    }
}

/// Our boothook and the user's part.
fn parts(text: &str) -> (Option<Cow<'_, str>>, Option<Cow<'_, str>>) {
    if let Some(own) = text.strip_prefix(BOOTHOOK)
        && own.starts_with(BEGINNING)
    {
        return (Some(own.into()), None);
    }
    let boundary = format!("\n--{BOUNDARY}");
    let mut bodies = text.split(boundary.as_str()).skip(1).filter_map(body);
    match (bodies.next(), bodies.next()) {
        (Some(own), Some(user)) if own.starts_with(BEGINNING) => (Some(own), Some(user)),
        _ => (None, Some(text.into())),
    }
}

/// The lines of the config file, between the marks of where they begin and end.
fn between_marks(own: &str) -> Option<&str> {
    let (_, rest) = own.split_once("<<'")?;
    let (end, rest) = rest.split_once("'\n")?;
    let (lines, _) = rest.split_once(&format!("\n{end}\n"))?;
    Some(lines)
}

/// Reads what [`quoted`] wrote, line breaks in values included.
fn assignments(lines: &str) -> BTreeMap<String, String> {
    let mut read = BTreeMap::new();
    let mut rest = lines;
    while let Some((name, after)) = rest.split_once("=\"") {
        let mut value = String::new();
        let mut letters = after.char_indices();
        let mut ended = after.len();
        while let Some((index, c)) = letters.next() {
            match c {
                '"' => {
                    ended = index + 1;
                    break;
                }
                '\\' => value.extend(letters.next().map(|(_, c)| c)),
                other => value.push(other),
            }
        }
        read.insert(name.trim_start().to_owned(), value);
        rest = after.get(ended..).unwrap_or_default();
    }
    read
}

/// Reads a line that resolves a secret.
fn secret(line: &str) -> Option<(String, String)> {
    let (name, reference) = line.strip_prefix("secret ")?.split_once(" '")?;
    let reference = reference.strip_suffix('\'')?.replace("'\\''", "'");
    Some((name.to_owned(), reference))
}

fn combined(own: &str, user: &str) -> Result<String> {
    let kind = if user.starts_with("#!") {
        "x-shellscript"
    } else if user.starts_with("#cloud-config") {
        "cloud-config"
    } else if user.starts_with(BOOTHOOK) {
        "cloud-boothook"
    } else {
        return Err(Failure::refused(
            ErrorKind::Invalid,
            "user_data must begin with #!, #cloud-config or #cloud-boothook where the fleet has config \
             or secrets, so that both can be run",
        ));
    };
    if user.contains(BOUNDARY) {
        return Err(Failure::refused(
            ErrorKind::Invalid,
            format!("user_data must not contain {BOUNDARY}"),
        ));
    }
    Ok(format!(
        "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n{}{}--{BOUNDARY}--\n",
        part("cloud-boothook", own),
        part(kind, user)
    ))
}

/// A part of a document. cloud-init spoils letters beyond ASCII in a part that is not encoded.
fn part(kind: &str, body: &str) -> String {
    let (encoding, body) = if body.is_ascii() {
        ("7bit", Cow::Borrowed(body))
    } else {
        ("base64", Cow::Owned(STANDARD.encode(body)))
    };
    format!(
        "--{BOUNDARY}\nContent-Type: text/{kind}; charset=\"utf-8\"\n\
         Content-Transfer-Encoding: {encoding}\n\n{body}\n"
    )
}

/// Reads what [`part`] wrote; absent: it is none.
fn body(part: &str) -> Option<Cow<'_, str>> {
    let (headers, body) = part.split_once("\n\n")?;
    if !headers.contains("Content-Transfer-Encoding: base64") {
        return Some(body.into());
    }
    let bytes = STANDARD.decode(body.trim()).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned().into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{Platform, ReleaseRef};
    use std::process::Command;

    fn launch(config: &[(&str, &str)], user_data: Option<&str>) -> (LaunchTemplate, AwsLaunch) {
        let aws = AwsLaunch {
            user_data: user_data.map(str::to_owned),
            ..AwsLaunch::default()
        };
        let config = config
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let launch = LaunchTemplate {
            release: ReleaseRef::Image("ami-1".to_owned()),
            config: config.collect(),
            secrets: BTreeMap::new(),
            port: None,
            health_path: None,
            tags: BTreeMap::new(),
            platform: Platform::Aws(aws.clone()),
        };
        (launch, aws)
    }

    fn text(config: &[(&str, &str)], user_data: Option<&str>) -> String {
        let (launch, aws) = launch(config, user_data);
        let encoded = encoded(&launch, &aws).unwrap().unwrap();
        String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap()
    }

    #[test]
    fn without_anything_there_is_none() {
        let (launch, aws) = launch(&[], None);
        assert_eq!(encoded(&launch, &aws).unwrap(), None);
    }

    #[test]
    fn a_users_script_alone_stays_as_it_is() {
        assert_eq!(text(&[], Some("whatever it is")), "whatever it is");
    }

    #[test]
    fn what_was_put_together_is_taken_apart_again() {
        let hard = "a \"b\" $HOME `id` \\ 'c' = #\nEND\nX=\"1\"\nend\nGrüße";
        let secrets = BTreeMap::from([
            (
                "KEY".to_owned(),
                "arn:aws:ssm:eu-west-1:1:parameter/it's".to_owned(),
            ),
            (
                "A".to_owned(),
                "arn:aws:secretsmanager:eu-west-1:1:secret:a".to_owned(),
            ),
        ]);
        for user_data in [
            None,
            Some("#!/bin/sh\necho mine\n"),
            Some("#!/bin/sh\necho größer\n"),
            Some("#cloud-config\n"),
            Some("#cloud-boothook\n#!/bin/sh\n"),
        ] {
            for config in [vec![], vec![("HARD", hard), ("B", ""), ("C", "END")]] {
                for secrets in [BTreeMap::new(), secrets.clone()] {
                    let (mut launch, aws) = launch(&config, user_data);
                    launch.secrets = secrets;
                    launch.port = Some(8080);
                    let Some(text) = encoded(&launch, &aws).unwrap() else {
                        continue;
                    };
                    let read = decoded(&text, Some(8080));
                    assert_eq!(read.config, launch.config);
                    assert_eq!(read.secrets, launch.secrets);
                    assert_eq!(read.user_data.as_deref(), user_data);
                }
            }
        }
    }

    #[test]
    fn a_shell_reads_every_value_back() {
        let hard = "a \"b\" $HOME `id` \\ 'c' = #\nEND\nend";
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("config.env");
        let script = text(&[("HARD", hard)], None)
            .replace("mkdir -p /etc/immutable\n", "")
            .replace(CONFIG_FILE, file.to_str().unwrap());
        // Every boot runs it.
        let shell = format!(
            "{script}{script}\n. {}\nprintf %s \"$HARD\"",
            file.display()
        );
        let output = Command::new("sh").arg("-c").arg(shell).output().unwrap();
        assert_eq!(String::from_utf8(output.stdout).unwrap(), hard);
    }

    #[test]
    fn each_part_is_of_the_kind_whose_turn_is_right() {
        assert!(text(&[("A", "1")], None).starts_with("#cloud-boothook\n#!/bin/sh\n"));
        for (user_data, kind) in [
            ("#!/bin/sh\necho mine", "text/x-shellscript"),
            ("#cloud-config\nruncmd: []", "text/cloud-config"),
            ("#cloud-boothook\necho mine", "text/cloud-boothook"),
        ] {
            let document = text(&[("A", "1")], Some(user_data));
            let kinds = document.split("\nContent-Type: ").skip(1);
            let kinds: Vec<&str> = kinds.filter_map(|part| part.split(';').next()).collect();
            assert_eq!(kinds, ["text/cloud-boothook", kind]);
            assert!(document.find(CONFIG_FILE) < document.find(user_data));
        }
    }

    /// Stands in for the image's `aws`: it fails at first, and tells what it was asked for.
    const AWS: &str = "#!/bin/sh\nif [ ! -e \"$ASKED\" ]; then touch \"$ASKED\"; exit 1; fi\n\
                       printf '%s \"$%s\\n' \"$1\" \"$*\" | sed 's/ --region.*//'\n";

    #[test]
    fn secrets_are_resolved_at_every_boot_and_waited_for() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name).display().to_string();
        std::fs::write(at("aws"), AWS).unwrap();
        std::fs::set_permissions(at("aws"), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (mut launch, aws) = launch(&[], None);
        launch.secrets = BTreeMap::from([
            (
                "A".to_owned(),
                "arn:aws:ssm:eu-west-1:1:parameter/a".to_owned(),
            ),
            (
                "B".to_owned(),
                "arn:aws:secretsmanager:eu-west-1:1:secret:b".to_owned(),
            ),
        ]);
        let script = STANDARD.decode(encoded(&launch, &aws).unwrap().unwrap());
        let script = String::from_utf8(script.unwrap()).unwrap();
        let script = script
            .replace("/etc/immutable", &at("etc"))
            .replace("/run/immutable", &at("run"))
            .replace("sleep 3", ":");
        let shell = format!(
            "{script}{script}\n. {}\necho \"$A\"; echo \"$B\"",
            at("run/secrets.env")
        );
        let path = format!(
            "{}:{}",
            place.path().display(),
            std::env::var("PATH").unwrap()
        );
        let output = Command::new("sh")
            .args(["-c", &shell])
            .env("PATH", path)
            .env("ASKED", at("asked"))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            said,
            "ssm \"$ssm get-parameter --with-decryption --name arn:aws:ssm:eu-west-1:1:parameter/a \
             --query Parameter.Value\nsecretsmanager \"$secretsmanager get-secret-value --secret-id \
             arn:aws:secretsmanager:eu-west-1:1:secret:b --query SecretString\n",
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        launch.secrets = BTreeMap::from([("A".to_owned(), "env:A".to_owned())]);
        let script = boothook(&launch.config, &launch.secrets, None).unwrap();
        let script = script
            .replace("/etc/immutable", &at("etc"))
            .replace("/run/immutable", &at("run"));
        let output = Command::new("sh")
            .args(["-c", &script])
            .env("PATH", format!("{}:/usr/bin:/bin", place.path().display()))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("cannot resolve the reference of A"), "{said}");
    }

    #[test]
    fn what_cannot_be_combined_or_does_not_fit_is_refused() {
        let refused = |config: &[(&str, &str)], user_data: &str| {
            let (launch, aws) = launch(config, Some(user_data));
            encoded(&launch, &aws).unwrap_err().to_string()
        };
        assert!(refused(&[("A", "1")], "echo").contains("must begin with #!"));
        assert!(refused(&[("A", "1")], &format!("#!{BOUNDARY}")).contains("must not contain"));
        assert!(refused(&[], &"x".repeat(LONGEST + 1)).contains("16385 bytes"));
        let (launch, aws) = launch(&[], Some(&"x".repeat(LONGEST)));
        assert!(encoded(&launch, &aws).is_ok());
    }
}
