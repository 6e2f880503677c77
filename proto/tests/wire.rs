//! Holds `proto/*.proto` against the protocol's facts, and the committed code against both.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind,
    MessageDescriptor, ServiceDescriptor,
};
use protox::prost_reflect;

const FILES: [&str; 5] = [
    "tfplugin6.proto",
    "grpc_broker.proto",
    "grpc_controller.proto",
    "grpc_stdio.proto",
    "health.proto",
];
const GENERATED: [&str; 3] = ["tfplugin6.rs", "plugin.rs", "grpc.health.v1.rs"];

fn crate_path(relative: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

#[test]
fn descriptors_hold_every_fact_of_the_table_and_nothing_else() {
    let descriptors = protox::compile(FILES, [crate_path("proto")]).unwrap();
    let pool = DescriptorPool::from_file_descriptor_set(descriptors).unwrap();
    let stated: String = FILES
        .map(|file| describe_file(&pool.get_file_by_name(file).unwrap()))
        .join("\n");

    let table = fs::read_to_string(crate_path("tests/wire.txt")).unwrap();
    let facts = table.lines().skip_while(|line| !line.starts_with("file "));

    for (number, (fact, said)) in facts.clone().zip(stated.lines()).enumerate() {
        assert_eq!(said, fact, "line {} of the facts", number + 1);
    }
    assert_eq!(stated.lines().count(), facts.count());
}

#[test]
fn generated_code_is_what_the_proto_files_say() {
    let fresh = tempfile::tempdir().unwrap();
    tonic_prost_build::configure()
        .build_transport(false)
        .client_mod_attribute(".", "#[cfg(feature = \"client\")]")
        .generate_default_stubs(true)
        // The same schema is the same bytes, in every process.
        .btree_map(".")
        .out_dir(fresh.path())
        .compile_fds(protox::compile(FILES, [crate_path("proto")]).unwrap())
        .unwrap();

    for name in GENERATED {
        let wanted = fs::read_to_string(fresh.path().join(name)).unwrap();
        let committed = crate_path("src/generated").join(name);
        if env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(&committed, &wanted).unwrap();
        }
        assert!(
            fs::read_to_string(&committed).unwrap_or_default() == wanted,
            "{name} is out of date: UPDATE_EXPECT=1 cargo test -p immutable-proto writes it anew",
        );
    }
}

fn describe_file(file: &FileDescriptor) -> String {
    let mut lines = format!("file {} package {}\n", file.name(), file.package_name());
    for service in file.services() {
        lines += &describe_service(&service);
    }
    let mut messages = Vec::new();
    let mut enums: Vec<EnumDescriptor> = file.enums().collect();
    for message in file.messages() {
        collect(message, &mut messages, &mut enums);
    }
    enums.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    messages.sort_by(|a, b| a.full_name().cmp(b.full_name()));
    for one in &enums {
        lines += &describe_enum(one);
    }
    for message in &messages {
        lines += &describe_message(message);
    }
    lines
}

fn collect(
    message: MessageDescriptor,
    messages: &mut Vec<MessageDescriptor>,
    enums: &mut Vec<EnumDescriptor>,
) {
    enums.extend(message.child_enums());
    for child in message
        .child_messages()
        .filter(|child| !child.is_map_entry())
    {
        collect(child, messages, enums);
    }
    messages.push(message);
}

fn describe_service(service: &ServiceDescriptor) -> String {
    let mut lines = format!("service {}\n", service.full_name());
    let stream = |is_streamed: bool| if is_streamed { "stream " } else { "" };
    for method in service.methods() {
        let (input, output) = (method.input(), method.output());
        let _ = writeln!(
            lines,
            "  {} {}{} -> {}{}",
            method.name(),
            stream(method.is_client_streaming()),
            input.full_name(),
            stream(method.is_server_streaming()),
            output.full_name(),
        );
    }
    lines
}

fn describe_enum(one: &EnumDescriptor) -> String {
    let values: Vec<String> = one
        .values()
        .map(|value| format!("{}={}", value.name(), value.number()))
        .collect();
    format!("enum {} {}\n", one.full_name(), values.join(" "))
}

fn describe_message(message: &MessageDescriptor) -> String {
    let mut lines = format!("message {}\n", message.full_name());
    for field in message.fields() {
        let _ = writeln!(
            lines,
            "  {} {} {}{}",
            field.number(),
            field.name(),
            type_of(&field),
            label_of(&field)
        );
    }
    lines
}

fn type_of(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => format!(
            "map<{}, {}>",
            type_of(&entry.map_entry_key_field()),
            type_of(&entry.map_entry_value_field()),
        ),
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(one) => one.full_name().to_owned(),
        scalar => format!("{scalar:?}"),
    }
}

fn label_of(field: &FieldDescriptor) -> String {
    let options = field.field_descriptor_proto().options.as_ref();
    match field.containing_oneof() {
        Some(oneof) if !field.field_descriptor_proto().proto3_optional() => {
            format!(" oneof:{}", oneof.name())
        }
        Some(_) => " optional".to_owned(),
        None if field.is_map() => String::new(),
        None if field.cardinality() == Cardinality::Repeated => " repeated".to_owned(),
        None if options.is_some_and(|options| options.deprecated()) => " deprecated".to_owned(),
        None => String::new(),
    }
}
