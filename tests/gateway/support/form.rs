//! The forms on the way through a login, read from their HTML: ours only, no parser for the web.

/// The first form of a page.
pub struct Form {
    /// `None`: it goes to the page's own address.
    pub action: Option<String>,
    /// Hidden fields.
    pub fields: Vec<(String, String)>,
}

impl Form {
    pub fn find(html: &str) -> Option<Self> {
        let form = html.split_once("<form")?.1.split("</form>").next()?;
        let hidden = form
            .split("<input")
            .skip(1)
            .filter(|tag| attribute(tag, "type").as_deref() == Some("hidden"));
        Some(Self {
            action: attribute(form, "action"),
            fields: hidden
                .filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?)))
                .collect(),
        })
    }
}

/// The provider's list of people, or a page that submits itself.
pub struct LoginForm {
    pub action: String,
    /// Hidden fields.
    pub fields: Vec<(String, String)>,
    /// Whether `person` is asked for.
    pub asks_for_person: bool,
}

impl LoginForm {
    /// The form of a page, if a login goes on with it.
    pub fn find(html: &str) -> Option<Self> {
        let asks_for_person = html.contains("name=\"person\"");
        if !asks_for_person && !html.contains("document.forms[0].submit()") {
            return None;
        }
        let Form { action, fields } = Form::find(html)?;
        let action = action?;
        Some(Self {
            action,
            fields,
            asks_for_person,
        })
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let tag = tag.split('>').next()?;
    let value = tag.split_once(&format!(" {name}=\""))?.1.split('"').next()?;
    // `&amp;` last: `&amp;lt;` is the text `&lt;`.
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ];
    Some(
        entities
            .iter()
            .fold(value.to_owned(), |text, (entity, plain)| text.replace(entity, plain)),
    )
}
