//! The compact form inside the sealed cookie (postcard: no field names, variable-length integers).

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use zeroize::Zeroizing;

use super::{Session, StoreError};
use crate::secret::Secret;

/// Serialises a secret into a value that is about to be sealed.
pub(super) mod secret {
    use super::{Deserialize, Deserializer, Secret, Serialize, Serializer};

    pub(in crate::session) fn serialize<S: Serializer>(secret: &Secret, to: S) -> Result<S::Ok, S::Error> {
        secret.reveal().serialize(to)
    }

    pub(in crate::session) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::new)
    }
}

/// The same for one that may be absent.
pub(super) mod optional_secret {
    use super::{Deserialize, Deserializer, Secret, Serialize, Serializer};

    pub(in crate::session) fn serialize<S: Serializer>(secret: &Option<Secret>, to: S) -> Result<S::Ok, S::Error> {
        secret.as_ref().map(Secret::reveal).serialize(to)
    }

    pub(in crate::session) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Secret>, D::Error> {
        Ok(Option::<String>::deserialize(from)?.map(Secret::new))
    }
}

/// Bytes to be sealed.
pub(super) fn encode(session: &Session) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let bytes = postcard::to_stdvec(session).map_err(|_| StoreError::Unwritable("it does not serialise"))?;
    Ok(Zeroizing::new(bytes))
}

/// What [`encode`] made.
pub(super) fn decode(bytes: &[u8]) -> Result<Session, postcard::Error> {
    postcard::from_bytes(bytes)
}
