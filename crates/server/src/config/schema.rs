//! The JSON Schema of the configuration file.

use std::mem;

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value::Error},
    forward_to_deserialize_any,
};
use serde_json::{Value, json};
use solekey_providers::Preset;

use super::settings::Settings;

/// Returns the schema with everything that [`keys`](super::keys) needs to know.
pub(super) fn annotated() -> Schema {
    // Draft 7 is what the editors' plug-ins for TOML understand.
    let generator = SchemaSettings::draft07().with(|settings| settings.inline_subschemas = true);
    let mut schema = generator.into_generator().into_root_schema_for::<Settings>();
    without_null(&mut schema);
    schema
}

/// Returns the schema for editors: without our own annotations, and with links that work outside of the page.
pub(super) fn published() -> Value {
    let mut schema = annotated();
    publish(&mut schema);
    schema.into()
}

/// Notes the fields of `T` in the order of their declaration, which the schema itself does not keep.
pub(super) fn in_order<T: DeserializeOwned>(schema: &mut Schema) {
    schema.insert("x-order".to_owned(), json!(fields_of::<T>()));
}

/// Allows the names of the presets that there are.
pub(super) fn preset_names(schema: &mut Schema) {
    let names: Vec<_> = Preset::all().into_iter().map(|preset| preset.name).collect();
    schema.insert("enum".to_owned(), json!(names));
}

/// TOML has no null: a key that is not there is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &mut types[..] {
            let only = mem::take(only);
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if let Some(Value::Array(mut choices)) = schema.remove("anyOf") {
        choices.retain(|choice| choice != &json!({ "type": "null" }));
        match &mut choices[..] {
            [Value::Object(only)] => only.iter_mut().for_each(|(word, value)| {
                // What is written at the key goes before what is written at its type.
                if schema.get(word).is_none() {
                    schema.insert(word.clone(), value.take());
                }
            }),
            _ => {
                schema.insert("anyOf".to_owned(), choices.into());
            }
        }
    }
    transform_subschemas(&mut without_null, schema);
}

fn publish(schema: &mut Schema) {
    if let Some(object) = schema.as_object_mut() {
        object.retain(|word, _| !word.starts_with("x-"));
    }
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let words: Vec<_> = text.split_whitespace().collect();
        *text = words
            .join(" ")
            .replace("](#", &format!("]({DOCS}/configuration.md#"))
            .replace("](providers.md", &format!("]({DOCS}/providers.md"));
    }
    transform_subschemas(&mut publish, schema);
}

fn fields_of<T: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It never succeeds: there is no value.
    let _ = T::deserialize(Asked(&mut fields));
    fields
}

/// A deserializer without a value, which keeps the names of the fields that it is asked for.
struct Asked<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("no value"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

const DOCS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs, path::PathBuf};

    use super::{super::read, *};

    /// Returns the mistakes that an editor would mark, by the keywords that are used here. Another keyword is a panic.
    fn faults(schema: &Value, value: &Value, path: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (word, rule) in schema.as_object().unwrap() {
            let fault = |is_fine: bool| if is_fine { Vec::new() } else { vec![format!("{path}: {word}")] };
            found.extend(match word.as_str() {
                "$schema" | "title" | "description" | "writeOnly" | "format" | "default" => Vec::new(),
                "type" => fault(is_of(rule.as_str().unwrap(), value)),
                "enum" => fault(rule.as_array().unwrap().contains(value)),
                "const" => fault(rule == value),
                "minimum" => fault(!value.is_i64() || value.as_i64() >= rule.as_i64()),
                "maximum" => fault(!value.is_i64() || value.as_i64() <= rule.as_i64()),
                "pattern" => {
                    assert_eq!(rule, super::super::span::PATTERN);
                    fault(
                        super::super::span::Span::try_from(value.as_str().unwrap_or_default().to_owned())
                            .is_ok(),
                    )
                }
                "oneOf" => fault(
                    rule.as_array().unwrap().iter().any(|choice| faults(choice, value, path).is_empty()),
                ),
                "required" => {
                    let is_there = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                    fault(rule.as_array().unwrap().iter().all(is_there))
                }
                "items" => {
                    let items = value.as_array().into_iter().flatten();
                    items.flat_map(|item| faults(rule, item, path)).collect()
                }
                "properties" => of_properties(rule, value, path),
                "additionalProperties" => {
                    assert_eq!(rule, false);
                    let known = schema["properties"].as_object().unwrap();
                    let names = value.as_object().into_iter().flatten();
                    let unknown = names.filter(|(name, _)| !known.contains_key(*name));
                    unknown.map(|(name, _)| format!("{path}.{name}: unknown")).collect()
                }
                other => panic!("{path}: the test does not know {other}"),
            });
        }
        found
    }

    fn of_properties(rules: &Value, value: &Value, path: &str) -> Vec<String> {
        let each = value.as_object().into_iter().flatten();
        let known = each.filter_map(|(name, value)| Some((rules.get(name)?, name, value)));
        known.flat_map(|(rule, name, value)| faults(rule, value, &format!("{path}.{name}"))).collect()
    }

    fn is_of(kind: &str, value: &Value) -> bool {
        match kind {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_i64(),
            "boolean" => value.is_boolean(),
            other => panic!("{other}"),
        }
    }

    fn faults_of(text: &str) -> Vec<String> {
        let table: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        faults(&published(), &serde_json::to_value(table).unwrap(), "")
    }

    /// The configurations that the documents show.
    fn examples() -> Vec<String> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let pages = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
        let pages = pages.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
        let texts = pages.chain([root.join("README.md")]).map(|path| fs::read_to_string(path).unwrap());
        let blocks = |text: String| {
            let blocks =
                text.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
            // README has lines of a manifest, too.
            blocks.filter(|block| !block.starts_with("# Cargo.toml")).collect::<Vec<_>>()
        };
        let seeds = ["sample", "embedded", "redis-alone"];
        let seeds = seeds
            .map(|name| fs::read_to_string(root.join(format!("fuzz/seeds/config/{name}.toml"))).unwrap());
        texts.flat_map(blocks).chain(seeds).collect()
    }

    #[test]
    fn every_example_fits_the_schema_and_can_be_read() {
        let examples = examples();
        assert!(examples.len() >= 8, "{} examples were found", examples.len());
        for text in examples {
            assert_eq!(faults_of(&text), Vec::<String>::new(), "{text}");
            let reading = read::settings(text.parse().unwrap());
            let problems = reading.map_or_else(|problems| problems, |reading| reading.problems);
            assert!(problems.is_empty(), "{problems:?}\n{text}");
        }
    }

    #[test]
    fn an_editor_marks_what_the_sidecar_refuses() {
        let provider = "[[provider]]\nname = \"x\"\n";
        for (text, fault) in [
            ("listn = \"127.0.0.1:1\"".to_owned(), ".listn: unknown"),
            ("listen = 1".to_owned(), ".listen: type"),
            ("[redis]\nprefix = \"x\"".to_owned(), ".redis: required"),
            ("[[provider]]\npreset = \"codex\"".to_owned(), ".provider: required"),
            (format!("{provider}preset = \"codecs\""), ".provider.preset: enum"),
            (format!("{provider}max_wait = \"8\""), ".provider.max_wait: pattern"),
            (format!("{provider}lease.tll = \"8s\""), ".provider.lease.tll: unknown"),
            (format!("{provider}stale = \"maybe\""), ".provider.stale: oneOf"),
            (format!("{provider}body = \"xml\""), ".provider.body: enum"),
            (format!("{provider}refresh_rate = -1"), ".provider.refresh_rate: minimum"),
            (format!("{provider}not_processed = [\"429\"]"), ".provider.not_processed: type"),
        ] {
            assert_eq!(faults_of(&text), [fault], "{text}");
        }
    }

    #[test]
    fn nothing_but_json_schema_is_published_and_links_lead_to_the_documents() {
        let text = serde_json::to_string(&published()).unwrap();
        assert!(!text.contains("\"x-") && !text.contains("](#") && !text.contains("null"), "{text}");
        assert!(text.contains("/docs/configuration.md#replay)"), "{text}");
    }
}
