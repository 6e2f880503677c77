//! MessagePack, the form of every value in a call.
//!
//! Both directions are driven by the type: an object always has exactly its attributes, which
//! Terraform insists on, and a value of a wrong kind is refused with its path.

use super::{Finding, Num, Step, Tree, Type};
use rmp::Marker;
use std::collections::BTreeMap;

/// The plain unknown value: an extension of one byte with code 0. We never send refinements:
/// what a plan refines, apply has to honour.
const UNKNOWN: [u8; 3] = [0xd4, 0x00, 0x00];

/// Null of every type.
pub const NULL: [u8; 1] = [0xc0];

/// Levels that a value may have. A type bounds the recursion by itself, but values that bring
/// their type could nest for as long as there are bytes and exhaust the stack.
const MAX_DEPTH: usize = 200;

/// Reads a value of a type. Every extension is an unknown value, refined or not.
///
/// # Errors
/// The bytes are no MessagePack, more than one value, or of another type; the finding says where.
pub fn decode(bytes: &[u8], of: &Type) -> Result<Tree, Finding> {
    let mut reader = Reader {
        rest: bytes,
        depth: 0,
    };
    let tree = reader.value(of)?;
    if reader.rest.is_empty() {
        Ok(tree)
    } else {
        Err(Finding::here("more bytes follow the value"))
    }
}

/// Writes a value of a type. Attributes that the tree lacks are written as null.
///
/// # Errors
/// The tree is of another type, or holds attributes that the type does not have.
pub fn encode(tree: &Tree, of: &Type) -> Result<Vec<u8>, Finding> {
    let mut out = Vec::new();
    write(tree, of, &mut out)?;
    Ok(out)
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self, of: &Type) -> Result<Tree, Finding> {
        if self.depth == MAX_DEPTH {
            return Err(Finding::here("the value is nested too deeply"));
        }
        self.depth += 1;
        let value = self.value_at_depth(of);
        self.depth -= 1;
        value
    }

    fn value_at_depth(&mut self, of: &Type) -> Result<Tree, Finding> {
        let marker = self.marker()?;
        if marker == Marker::Null {
            return Ok(Tree::Null);
        }
        if let Some(length) = self.extension(marker)? {
            self.take(length)?;
            return Ok(Tree::Unknown);
        }
        match of {
            Type::Bool => match marker {
                Marker::True => Ok(Tree::Bool(true)),
                Marker::False => Ok(Tree::Bool(false)),
                _ => Err(mismatch(of, marker)),
            },
            Type::String => self.text(marker, of).map(|text| Tree::Str(text.to_owned())),
            Type::Number => self.number(marker).map(Tree::Num),
            Type::List(element) => self.sequence(marker, of, element),
            // A path cannot name an element of a set.
            Type::Set(element) => self
                .sequence(marker, of, element)
                .map_err(|finding| Finding::here(finding.message)),
            Type::Tuple(elements) => self.tuple(marker, of, elements),
            Type::Map(element) => self.map(marker, of, element),
            Type::Object(attributes) => self.object(marker, of, attributes),
            Type::Dynamic => self.dynamic(marker),
        }
    }

    fn sequence(&mut self, marker: Marker, of: &Type, element: &Type) -> Result<Tree, Finding> {
        let count = self.array_length(marker, of)?;
        let items = (0..count).map(|index| {
            self.value(element)
                .map_err(|finding| finding.under(Step::Index(index)))
        });
        items.collect::<Result<_, _>>().map(Tree::Seq)
    }

    fn tuple(&mut self, marker: Marker, of: &Type, elements: &[Type]) -> Result<Tree, Finding> {
        let count = self.array_length(marker, of)?;
        if count != elements.len() {
            let wanted = elements.len();
            return Err(Finding::here(format!(
                "a tuple of {wanted} elements is required, not of {count}"
            )));
        }
        let items = elements.iter().enumerate().map(|(index, element)| {
            self.value(element)
                .map_err(|finding| finding.under(Step::Index(index)))
        });
        items.collect::<Result<_, _>>().map(Tree::Seq)
    }

    fn map(&mut self, marker: Marker, of: &Type, element: &Type) -> Result<Tree, Finding> {
        let count = self.map_length(marker, of)?;
        let entries = (0..count).map(|_| {
            let key = self.key()?;
            let value = self.value(element);
            let value = value.map_err(|finding| finding.under(Step::Key(key.to_owned())))?;
            Ok((key.to_owned(), value))
        });
        entries.collect::<Result<_, _>>().map(Tree::Map)
    }

    fn object(
        &mut self,
        marker: Marker,
        of: &Type,
        attributes: &BTreeMap<String, Type>,
    ) -> Result<Tree, Finding> {
        let count = self.map_length(marker, of)?;
        let mut entries: BTreeMap<String, Tree> = attributes
            .keys()
            .map(|name| (name.clone(), Tree::Null))
            .collect();
        for _ in 0..count {
            let name = self.key()?;
            let Some(attribute) = attributes.get(name) else {
                return Err(Finding::here("there is no such attribute")
                    .under(Step::Attribute(name.to_owned())));
            };
            let value = self.value(attribute);
            let value = value.map_err(|it| it.under(Step::Attribute(name.to_owned())))?;
            entries.insert(name.to_owned(), value);
        }
        Ok(Tree::Map(entries))
    }

    /// Reads `[type, value]`, the form of a value that brings its type.
    fn dynamic(&mut self, marker: Marker) -> Result<Tree, Finding> {
        if self.array_length(marker, &Type::Dynamic)? != 2 {
            return Err(Finding::here("a value with its type is required"));
        }
        let marker = self.marker()?;
        let description = self.text(marker, &Type::String)?;
        let of = Type::from_json(description.as_bytes())
            .ok_or_else(|| Finding::here("the value's type cannot be read"))?;
        self.value(&of)
    }

    fn number(&mut self, marker: Marker) -> Result<Num, Finding> {
        let signed = match marker {
            Marker::FixPos(value) => i64::from(value),
            Marker::FixNeg(value) => i64::from(value),
            Marker::U8 => i64::from(u8::from_be_bytes(self.array()?)),
            Marker::U16 => i64::from(u16::from_be_bytes(self.array()?)),
            Marker::U32 => i64::from(u32::from_be_bytes(self.array()?)),
            Marker::U64 => return Ok(Num::from(u64::from_be_bytes(self.array()?))),
            Marker::I8 => i64::from(i8::from_be_bytes(self.array()?)),
            Marker::I16 => i64::from(i16::from_be_bytes(self.array()?)),
            Marker::I32 => i64::from(i32::from_be_bytes(self.array()?)),
            Marker::I64 => i64::from_be_bytes(self.array()?),
            Marker::F32 => return finite(f64::from(f32::from_be_bytes(self.array()?))),
            Marker::F64 => return finite(f64::from_be_bytes(self.array()?)),
            _ => {
                let text = self.text(marker, &Type::Number)?;
                return Num::parse(text)
                    .ok_or_else(|| Finding::here(format!("{text:?} is not a number")));
            }
        };
        Ok(Num::from(signed))
    }

    fn key(&mut self) -> Result<&'a str, Finding> {
        let marker = self.marker()?;
        self.text(marker, &Type::String)
    }

    /// Reads text, which may also come as raw bytes.
    fn text(&mut self, marker: Marker, of: &Type) -> Result<&'a str, Finding> {
        let length = match marker {
            Marker::FixStr(length) => usize::from(length),
            Marker::Str8 | Marker::Bin8 => self.length8()?,
            Marker::Str16 | Marker::Bin16 => self.length16()?,
            Marker::Str32 | Marker::Bin32 => self.length32()?,
            _ => return Err(mismatch(of, marker)),
        };
        let bytes = self.take(length)?;
        std::str::from_utf8(bytes).map_err(|_| Finding::here("the text is not UTF-8"))
    }

    fn array_length(&mut self, marker: Marker, of: &Type) -> Result<usize, Finding> {
        match marker {
            Marker::FixArray(length) => Ok(usize::from(length)),
            Marker::Array16 => self.length16(),
            Marker::Array32 => self.length32(),
            _ => Err(mismatch(of, marker)),
        }
    }

    fn map_length(&mut self, marker: Marker, of: &Type) -> Result<usize, Finding> {
        match marker {
            Marker::FixMap(length) => Ok(usize::from(length)),
            Marker::Map16 => self.length16(),
            Marker::Map32 => self.length32(),
            _ => Err(mismatch(of, marker)),
        }
    }

    /// Returns how many bytes an extension has with its code; none when this is no extension.
    fn extension(&mut self, marker: Marker) -> Result<Option<usize>, Finding> {
        let payload = match marker {
            Marker::FixExt1 => 1,
            Marker::FixExt2 => 2,
            Marker::FixExt4 => 4,
            Marker::FixExt8 => 8,
            Marker::FixExt16 => 16,
            Marker::Ext8 => self.length8()?,
            Marker::Ext16 => self.length16()?,
            Marker::Ext32 => self.length32()?,
            _ => return Ok(None),
        };
        Ok(Some(payload.saturating_add(1)))
    }

    fn length8(&mut self) -> Result<usize, Finding> {
        Ok(usize::from(u8::from_be_bytes(self.array()?)))
    }

    fn length16(&mut self) -> Result<usize, Finding> {
        Ok(usize::from(u16::from_be_bytes(self.array()?)))
    }

    fn length32(&mut self) -> Result<usize, Finding> {
        Ok(u32::from_be_bytes(self.array()?) as usize)
    }

    fn marker(&mut self) -> Result<Marker, Finding> {
        let [byte] = self.array()?;
        Ok(Marker::from_u8(byte))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Finding> {
        let (head, rest) = self.rest.split_first_chunk().ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(*head)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Finding> {
        let (head, rest) = self.rest.split_at_checked(length).ok_or_else(ends_early)?;
        self.rest = rest;
        Ok(head)
    }
}

fn ends_early() -> Finding {
    Finding::here("the value ends early")
}

fn finite(value: f64) -> Result<Num, Finding> {
    Num::from_f64(value).ok_or_else(|| Finding::here("the number is not finite"))
}

fn mismatch(of: &Type, marker: Marker) -> Finding {
    let found = match marker {
        Marker::True | Marker::False => "a boolean",
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => "a string",
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => "bytes",
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => "a list",
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => "a map or object",
        Marker::Reserved => "no value",
        _ => "a number",
    };
    Finding::here(format!("{} is required, not {found}", of.describe()))
}

fn write(tree: &Tree, of: &Type, out: &mut Vec<u8>) -> Result<(), Finding> {
    match (tree, of) {
        (Tree::Null, _) => out.extend(NULL),
        (Tree::Unknown, _) => out.extend(UNKNOWN),
        (Tree::Bool(value), Type::Bool) => {
            rmp::encode::write_bool(out, *value).map_err(unwritable)?;
        }
        (Tree::Str(text), Type::String) => {
            rmp::encode::write_str(out, text).map_err(unwritable)?;
        }
        // Terraform reads a number from text as well, and only text keeps every digit.
        (Tree::Num(value), Type::Number) => match value.as_i64() {
            Some(value) => {
                rmp::encode::write_sint(out, value).map_err(unwritable)?;
            }
            None => rmp::encode::write_str(out, &value.to_string()).map_err(unwritable)?,
        },
        (Tree::Seq(items), Type::List(element) | Type::Set(element)) => {
            write_sequence(items.iter().map(|item| (item, &**element)), out)?;
        }
        (Tree::Seq(items), Type::Tuple(elements)) if items.len() == elements.len() => {
            write_sequence(items.iter().zip(elements), out)?;
        }
        (Tree::Map(entries), Type::Map(element)) => {
            write_map_length(entries.len(), out)?;
            for (key, value) in entries {
                rmp::encode::write_str(out, key).map_err(unwritable)?;
                write(value, element, out).map_err(|it| it.under(Step::Key(key.clone())))?;
            }
        }
        (Tree::Map(entries), Type::Object(attributes)) => {
            write_object(entries, attributes, out)?;
        }
        (known, Type::Dynamic) => {
            let of = type_of(known);
            write_length(2, rmp::encode::write_array_len, out)?;
            rmp::encode::write_bin(out, &of.to_json()).map_err(unwritable)?;
            write(known, &of, out)?;
        }
        (other, of) => {
            let (wanted, found) = (of.describe(), other.describe());
            return Err(Finding::here(format!("{wanted} is required, not {found}")));
        }
    }
    Ok(())
}

fn write_sequence<'a>(
    items: impl ExactSizeIterator<Item = (&'a Tree, &'a Type)>,
    out: &mut Vec<u8>,
) -> Result<(), Finding> {
    write_length(items.len(), rmp::encode::write_array_len, out)?;
    for (index, (item, of)) in items.enumerate() {
        write(item, of, out).map_err(|finding| finding.under(Step::Index(index)))?;
    }
    Ok(())
}

fn write_object(
    entries: &BTreeMap<String, Tree>,
    attributes: &BTreeMap<String, Type>,
    out: &mut Vec<u8>,
) -> Result<(), Finding> {
    if let Some(name) = entries.keys().find(|name| !attributes.contains_key(*name)) {
        return Err(
            Finding::here("there is no such attribute").under(Step::Attribute(name.clone()))
        );
    }
    write_map_length(attributes.len(), out)?;
    for (name, of) in attributes {
        rmp::encode::write_str(out, name).map_err(unwritable)?;
        let value = entries.get(name).unwrap_or(&Tree::Null);
        write(value, of, out).map_err(|it| it.under(Step::Attribute(name.clone())))?;
    }
    Ok(())
}

fn write_map_length(length: usize, out: &mut Vec<u8>) -> Result<(), Finding> {
    write_length(length, rmp::encode::write_map_len, out)
}

fn write_length<E: std::fmt::Display>(
    length: usize,
    write: impl Fn(&mut Vec<u8>, u32) -> Result<Marker, E>,
    out: &mut Vec<u8>,
) -> Result<(), Finding> {
    let length = u32::try_from(length).map_err(unwritable)?;
    write(out, length).map_err(unwritable).map(drop)
}

fn unwritable(error: impl std::fmt::Display) -> Finding {
    Finding::here(format!("the value cannot be sent: {error}"))
}

/// The type that a known value shows by itself; containers are tuples and objects.
fn type_of(tree: &Tree) -> Type {
    match tree {
        Tree::Null | Tree::Unknown => Type::Dynamic,
        Tree::Bool(_) => Type::Bool,
        Tree::Num(_) => Type::Number,
        Tree::Str(_) => Type::String,
        Tree::Seq(items) => Type::Tuple(items.iter().map(type_of).collect()),
        Tree::Map(entries) => Type::Object(
            entries
                .iter()
                .map(|(name, value)| (name.clone(), type_of(value)))
                .collect(),
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    fn object(attributes: &[(&str, Type)]) -> Type {
        let attributes = attributes.iter();
        Type::Object(
            attributes
                .map(|(name, of)| ((*name).to_owned(), of.clone()))
                .collect(),
        )
    }

    fn list(of: Type) -> Type {
        Type::List(Box::new(of))
    }

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<_> = hex.chars().filter(|it| !it.is_whitespace()).collect();
        let pairs = digits.chunks(2).map(|pair| pair.iter().collect::<String>());
        pairs
            .map(|pair| u8::from_str_radix(&pair, 16).unwrap())
            .collect()
    }

    fn num(text: &str) -> Tree {
        Tree::Num(Num::parse(text).unwrap())
    }

    /// Bytes that Terraform sends, and we send back.
    #[test]
    fn values_look_like_terraforms_own() {
        let one = |name: &str, value: Tree| Tree::Map([(name.to_owned(), value)].into());
        let rows = [
            ("c0", Type::String, Tree::Null),
            ("d40000", Type::String, Tree::Unknown),
            ("c3", Type::Bool, Tree::Bool(true)),
            ("a170", Type::String, Tree::from("p")),
            ("cc80", Type::Number, num("128")),
            ("ce00010000", Type::Number, num("65536")),
            ("d0df", Type::Number, num("-33")),
            ("a3302e31", Type::Number, num("0.1")),
            (
                "81a170a131",
                object(&[("p", Type::String)]),
                one("p", Tree::from("1")),
            ),
            (
                "82a170a131a171c0",
                object(&[("p", Type::String), ("q", Type::Number)]),
                Tree::Map([("p".to_owned(), "1".into()), ("q".to_owned(), Tree::Null)].into()),
            ),
            ("92c40822737472696e6722a17a", Type::Dynamic, Tree::from("z")),
        ];
        for (hex, of, tree) in rows {
            assert_eq!(decode(&bytes(hex), &of).unwrap(), tree, "{hex}");
            assert_eq!(encode(&tree, &of).unwrap(), bytes(hex), "{hex}");
        }
    }

    /// Bytes that Terraform may send, and we would send otherwise.
    #[test]
    fn other_spellings_are_read() {
        let rows = [
            ("c40170", Type::String, Tree::from("p")),
            ("cb3fb999999999999a", Type::Number, num("0.1")),
            ("ca3fc00000", Type::Number, num("1.5")),
            (
                "cfffffffffffffffff",
                Type::Number,
                num("18446744073709551615"),
            ),
            ("d3ffffffffffffffff", Type::Number, num("-1")),
            ("c7030c8101c2", Type::String, Tree::Unknown),
            ("c7090c8201c202a47072652d", Type::String, Tree::Unknown),
            ("c70063", Type::Number, Tree::Unknown),
            (
                "80",
                object(&[("p", Type::String)]),
                Tree::Map([("p".to_owned(), Tree::Null)].into()),
            ),
            (
                "92c4115b226c697374222c226e756d626572225d920102",
                Type::Dynamic,
                Tree::Seq(vec![num("1"), num("2")]),
            ),
        ];
        for (hex, of, tree) in rows {
            assert_eq!(decode(&bytes(hex), &of).unwrap(), tree, "{hex}");
        }
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_path() {
        let of = object(&[
            ("flag", Type::Bool),
            ("names", list(Type::String)),
            ("once", Type::Set(Box::new(Type::String))),
            ("tags", Type::Map(Box::new(Type::String))),
        ]);
        let rows = [
            (
                "81a4666c6167a474727565",
                "flag: a boolean is required, not a string",
            ),
            (
                "81a56e616d657392a16105",
                "names[1]: a string is required, not a number",
            ),
            (
                "81a46f6e636592a16105",
                "once: a string is required, not a number",
            ),
            (
                "81a47461677381a16bc3",
                "tags[\"k\"]: a string is required, not a boolean",
            ),
            ("81a16eC0", "n: there is no such attribute"),
            ("90", ": an object is required, not a list"),
            ("81a4666c6167", "flag: the value ends early"),
            ("c0c0", ": more bytes follow the value"),
            ("c1", ": an object is required, not no value"),
            ("", ": the value ends early"),
        ];
        for (hex, message) in rows {
            let finding = decode(&bytes(hex), &of).unwrap_err();
            assert_eq!(
                format!("{}: {}", finding.path, finding.message),
                message,
                "{hex}"
            );
        }
        let nan = decode(&bytes("cb7ff8000000000000"), &Type::Number).unwrap_err();
        assert_eq!(nan.message, "the number is not finite");
    }

    #[test]
    fn an_object_has_exactly_its_attributes() {
        let of = object(&[("a", Type::String)]);
        let stranger = Tree::Map([("b".to_owned(), Tree::Null)].into());
        let finding = encode(&stranger, &of).unwrap_err();
        assert_eq!(finding.message, "there is no such attribute");
        assert_eq!(encode(&Tree::from(()), &of).unwrap(), bytes("81a161c0"));
    }

    #[test]
    fn nesting_has_an_end() {
        let mut bytes = Vec::new();
        for _ in 0..100_000 {
            bytes.extend(b"\x92\xc4\x12[\"list\",\"dynamic\"]\x91");
        }
        let finding = decode(&bytes, &Type::Dynamic).unwrap_err();
        assert_eq!(finding.message, "the value is nested too deeply");
    }

    fn any_type() -> impl Strategy<Value = Type> {
        let leaf = prop_oneof![
            Just(Type::String),
            Just(Type::Number),
            Just(Type::Bool),
            Just(Type::Dynamic)
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                inner.clone().prop_map(|of| Type::List(Box::new(of))),
                inner.clone().prop_map(|of| Type::Set(Box::new(of))),
                inner.clone().prop_map(|of| Type::Map(Box::new(of))),
                vec(inner.clone(), 0..4).prop_map(Type::Tuple),
                btree_map("[a-z]{1,3}", inner, 0..4).prop_map(Type::Object),
            ]
        })
    }

    fn any_value(of: &Type) -> BoxedStrategy<Tree> {
        let known = match of {
            Type::String | Type::Dynamic => any::<String>().prop_map(Tree::Str).boxed(),
            Type::Bool => any::<bool>().prop_map(Tree::Bool).boxed(),
            Type::Number => prop_oneof![
                any::<i64>().prop_map(Tree::from),
                "-?[0-9]{1,40}\\.[0-9]{1,40}".prop_map(|text| num(&text)),
            ]
            .boxed(),
            Type::List(element) | Type::Set(element) => {
                vec(any_value(element), 0..4).prop_map(Tree::Seq).boxed()
            }
            Type::Map(element) => btree_map(any::<String>(), any_value(element), 0..4)
                .prop_map(Tree::Map)
                .boxed(),
            Type::Tuple(elements) => elements
                .iter()
                .map(any_value)
                .collect::<Vec<_>>()
                .prop_map(Tree::Seq)
                .boxed(),
            Type::Object(attributes) => {
                let attributes: Vec<_> = attributes
                    .iter()
                    .map(|(name, of)| (Just(name.clone()), any_value(of)))
                    .collect();
                attributes
                    .prop_map(|it| Tree::Map(it.into_iter().collect()))
                    .boxed()
            }
        };
        prop_oneof![1 => Just(Tree::Null), 1 => Just(Tree::Unknown), 6 => known].boxed()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            (of, tree) in any_type().prop_flat_map(|of| (Just(of.clone()), any_value(&of)))
        ) {
            prop_assert_eq!(decode(&encode(&tree, &of).unwrap(), &of).unwrap(), tree);
        }

        #[test]
        fn no_bytes_panic(of in any_type(), bytes in vec(any::<u8>(), 0..64)) {
            drop(decode(&bytes, &of));
        }

        #[test]
        fn no_damage_panics(
            (of, tree) in any_type().prop_flat_map(|of| (Just(of.clone()), any_value(&of))),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = encode(&tree, &of).unwrap();
            let position = at.index(bytes.len());
            bytes[position] = byte;
            drop(decode(&bytes, &of));
        }
    }
}
