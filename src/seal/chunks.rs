//! A value past one cookie's size, split and joined.
//!
//! Browsers keep 4,096 bytes a cookie (RFC 6265bis §5.6, name and value). A longer value becomes parts
//! `name_0 … name_9`, each `COUNT.MARK.DATA`: *count* says how many belong together, *mark* (six bytes of the value's own
//! salt) keeps leftovers and tossed cookies from being joined with them. Only the whole is authentic, and it is checked
//! when opened.

/// A cookie's name and value together are at most this many bytes before the value is split.
pub const SPLIT_PAST: usize = 3_800;
/// More parts than this are refused: the session is too large for cookies.
pub const MAX_PARTS: usize = 10;

/// Where the mark is in a sealed value: the first six bytes of its salt, whole base64 characters.
const MARK: std::ops::Range<usize> = 12..20;
/// `10.` + mark + `.`
const HEAD: usize = 12;

/// The value needs more than [`MAX_PARTS`] parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session needs {bytes} bytes of cookies, more than the {} a browser is asked to keep", MAX_PARTS * SPLIT_PAST)]
pub struct TooLarge {
    /// The value's size.
    pub bytes: usize,
}

/// Cookie names and values that carry `value`.
///
/// # Errors
/// [`TooLarge`] past [`MAX_PARTS`] parts.
pub fn split(name: &str, value: String) -> Result<Vec<(String, String)>, TooLarge> {
    if name.len() + value.len() <= SPLIT_PAST {
        return Ok(vec![(name.to_owned(), value)]);
    }
    let room = SPLIT_PAST - name.len() - "_9".len() - HEAD;
    let count = value.len().div_ceil(room);
    if count > MAX_PARTS {
        return Err(TooLarge { bytes: value.len() });
    }
    let mark = &value[MARK];
    let parts = value.as_bytes().chunks(room).enumerate();
    Ok(parts
        .map(|(number, data)| {
            let data = std::str::from_utf8(data).unwrap_or_default();
            (format!("{name}_{number}"), format!("{count}.{mark}.{data}"))
        })
        .collect())
}

/// One part as it came.
pub(super) struct Part<'a> {
    pub(super) number: usize,
    count: usize,
    mark: &'a [u8],
    data: &'a [u8],
}

impl<'a> Part<'a> {
    /// Reads `COUNT.MARK.DATA`.
    pub(super) fn parse(number: usize, value: &'a [u8]) -> Option<Self> {
        let mut fields = value.splitn(3, |byte| *byte == b'.');
        let (count, mark, data) = (fields.next()?, fields.next()?, fields.next()?);
        let count: usize = std::str::from_utf8(count).ok()?.parse().ok()?;
        ((2..=MAX_PARTS).contains(&count) && number < count && mark.len() == MARK.len()).then_some(Self {
            number,
            count,
            mark,
            data,
        })
    }
}

/// Joins the parts that belong to `first`; `None` where one is missing.
pub(super) fn join(first: &Part<'_>, all: &[Part<'_>]) -> Option<Vec<u8>> {
    let mut value = Vec::with_capacity(first.count * SPLIT_PAST);
    for number in 0..first.count {
        let same = |part: &&Part<'_>| part.number == number && part.count == first.count && part.mark == first.mark;
        value.extend_from_slice(all.iter().find(same)?.data);
    }
    Some(value)
}
