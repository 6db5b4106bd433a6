//! Accounts as lines for people.

use serde_json::Value;

/// One account: provider, id, status, generation, and what stands in the way.
pub(super) fn line(account: &Value) -> String {
    let text = |key: &str| match &account[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let line = format!(
        "{}\t{}\t{}\t{}\t{}",
        text("provider"),
        text("id"),
        text("status"),
        text("generation"),
        text("why")
    );
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_there_is_nothing_more_to_say() {
        let account =
            serde_json::json!({"provider": "p", "id": "x", "status": "fresh", "generation": 7, "why": null});
        assert_eq!(line(&account), "p\tx\tfresh\t7");
    }
}
