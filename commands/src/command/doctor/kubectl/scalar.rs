//! Values of a kubeconfig that are only partly needed and may have any type.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

/// A value of any type and depth.
#[derive(Clone, Default)]
pub(super) enum Scalar {
    #[default]
    Nothing,
    Text(Zeroizing<String>),
    Other,
}

impl Scalar {
    pub(super) fn is_given(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Text(text) => !text.is_empty(),
            Self::Other => true,
        }
    }
}

/// The data of a cluster for exec plugins.
#[derive(Default)]
pub(super) struct ClusterData {
    pub(super) audience: Scalar,
}

/// Reads a value without recursion, because it can be nested deeply.
struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = (Scalar, Scalar);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok((Scalar::Nothing, Scalar::Nothing))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok((Scalar::Text(text.to_owned().into()), Scalar::Nothing))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        let text = if value { "true" } else { "false" };
        Ok((Scalar::Text(text.to_owned().into()), Scalar::Nothing))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok((Scalar::Other, Scalar::Nothing))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok((Scalar::Other, Scalar::Nothing))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok((Scalar::Other, Scalar::Nothing))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok((Scalar::Other, Scalar::Nothing))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut audience = Scalar::Nothing;
        while let Some(key) = map.next_key::<String>()? {
            if key == "audience" {
                audience = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok((Scalar::Other, audience))
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reader).map(|(value, _)| value)
    }
}

impl<'de> Deserialize<'de> for ClusterData {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        source.deserialize_any(Reader).map(|(_, audience)| Self { audience })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_of_any_kind_and_depth_is_read() {
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        for (json, is_given) in [
            ("null", false),
            ("\"\"", false),
            ("\"t\"", true),
            ("5", true),
            ("-1.5", true),
            ("{}", true),
            (&format!("{{\"a\":{deep}}}"), true),
        ] {
            let value: Scalar = serde_json::from_str(json).unwrap();
            assert_eq!(value.is_given(), is_given, "{json:.40}");
        }
        let audience_of = |json: &str| serde_json::from_str::<ClusterData>(json).unwrap().audience;
        let json = format!("{{\"x\":{deep},\"audience\":\"a\",\"y\":{{}}}}");
        assert!(matches!(audience_of(&json), Scalar::Text(text) if text.as_str() == "a"));
        assert!(matches!(audience_of("\"audience\""), Scalar::Nothing));
        assert!(matches!(audience_of("{\"audience\":5}"), Scalar::Other));
    }
}
