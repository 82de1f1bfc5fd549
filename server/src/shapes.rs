//! Where places lie: a GeoJSON file of the operator's beside the database. Nothing rests on it but a map; without it, or
//! where it cannot be read, places are shown in order.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

/// The file in the data folder.
pub const FILE: &str = "shapes.geojson";
/// Largest file that is read, in bytes.
const BYTES_MAX: u64 = 8 << 20;

/// A corner or a point: east and north, in millionths of a degree.
pub type Corner = [i32; 2];

/// Where one place lies.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shape {
    /// Its middle, where the file has a point for it.
    pub point: Option<Corner>,
    /// Its areas and the holes in them, ring by ring.
    pub rings: Vec<Vec<Corner>>,
}

/// Places by their official codes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Shapes(BTreeMap<String, Shape>);

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum ShapesError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is too large.
    #[error("it is too large: at most {BYTES_MAX} bytes are taken")]
    TooLarge,
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is not the GeoJSON that is wanted.
    #[error("feature {0}: {1}")]
    Feature(usize, &'static str),
}

impl Shapes {
    /// Reads the file of a data folder; no file, no shapes.
    ///
    /// # Errors
    /// When the file cannot be used. None of it is used then.
    pub fn load(folder: &Path) -> Result<Self, ShapesError> {
        let path = folder.join(FILE);
        match std::fs::metadata(&path) {
            Ok(found) if found.len() > BYTES_MAX => Err(ShapesError::TooLarge),
            Ok(_) => Self::parse(&std::fs::read(&path)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads a `FeatureCollection` in degrees (WGS 84). Each feature has the official code of its unit as `code` among its
    /// properties, and a `Point`, `Polygon` or `MultiPolygon`.
    ///
    /// # Errors
    /// At the first feature that is not so.
    pub fn parse(bytes: &[u8]) -> Result<Self, ShapesError> {
        let file: Json = serde_json::from_slice(bytes)?;
        let features = file["features"].as_array().ok_or(ShapesError::Feature(0, "there is no list of features"))?;
        let mut shapes = BTreeMap::<String, Shape>::new();
        for (at, feature) in features.iter().enumerate() {
            let wrong = |what| ShapesError::Feature(at + 1, what);
            let code = feature["properties"]["code"].as_str().ok_or(wrong("properties.code is no text"))?;
            let shape = shapes.entry(code.to_owned()).or_default();
            let geometry = &feature["geometry"];
            let places = &geometry["coordinates"];
            match geometry["type"].as_str() {
                Some("Point") => {
                    shape.point = Some(corner(places).ok_or(wrong("a point that is no place in degrees"))?)
                }
                Some("Polygon") => shape.rings.extend(rings(places).ok_or(wrong("a ring that is none"))?),
                Some("MultiPolygon") => {
                    for area in places.as_array().ok_or(wrong("no areas"))? {
                        shape.rings.extend(rings(area).ok_or(wrong("a ring that is none"))?);
                    }
                }
                _ => return Err(wrong("neither Point nor Polygon nor MultiPolygon")),
            }
        }
        Ok(Self(shapes))
    }

    /// Where the unit of a code lies.
    pub fn of(&self, code: &str) -> Option<&Shape> {
        self.0.get(code)
    }

    /// How many places it knows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn corner(pair: &Json) -> Option<Corner> {
    let degrees = |at: usize, most: f64| {
        let value = pair.get(at)?.as_f64().filter(|value| value.abs() <= most)?;
        #[allow(clippy::cast_possible_truncation, reason = "at most 180 millions")]
        Some((value * 1e6).round() as i32)
    };
    Some([degrees(0, 180.0)?, degrees(1, 90.0)?])
}

fn rings(area: &Json) -> Option<Vec<Vec<Corner>>> {
    let ring = |ring: &Json| -> Option<Vec<Corner>> {
        let corners: Option<Vec<Corner>> = ring.as_array()?.iter().map(corner).collect();
        corners.filter(|corners| corners.len() >= 4)
    };
    area.as_array()?.iter().map(ring).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that fails says where")]

    use serde_json::json;

    use super::*;

    fn feature(code: &str, geometry: Json) -> Json {
        json!({ "type": "Feature", "properties": { "code": code }, "geometry": geometry })
    }

    fn parse(features: Vec<Json>) -> Result<Shapes, ShapesError> {
        Shapes::parse(json!({ "type": "FeatureCollection", "features": features }).to_string().as_bytes())
    }

    #[test]
    fn points_and_areas_of_one_code_belong_together() {
        let square = json!([[[104.5, 21.5], [104.6, 21.5], [104.6, 21.6], [104.5, 21.5]]]);
        let shapes = parse(vec![
            feature("04636-001", json!({ "type": "Point", "coordinates": [104.55, 21.523_456_7, 812] })),
            feature("04636-001", json!({ "type": "Polygon", "coordinates": square })),
            feature("04636-002", json!({ "type": "MultiPolygon", "coordinates": [square, square] })),
        ])
        .unwrap();
        let first = shapes.of("04636-001").unwrap();
        assert_eq!((first.point, first.rings.len()), (Some([104_550_000, 21_523_457]), 1));
        assert_eq!(shapes.of("04636-002").unwrap().rings.len(), 2);
        assert_eq!((shapes.len(), shapes.of("04636-003")), (2, None));
    }

    #[test]
    fn a_file_that_is_not_understood_is_not_half_used() {
        let good = feature("1", json!({ "type": "Point", "coordinates": [104.5, 21.5] }));
        for bad in [
            json!({ "type": "Point", "coordinates": [21.5, 104.5] }),
            json!({ "type": "Point", "coordinates": [500_000, 2_300_000] }),
            json!({ "type": "LineString", "coordinates": [[104.5, 21.5], [104.6, 21.5]] }),
            json!({ "type": "Polygon", "coordinates": [[[104.5, 21.5], [104.6, 21.5]]] }),
            json!(null),
        ] {
            let refused = parse(vec![good.clone(), feature("2", bad.clone())]);
            assert!(matches!(refused, Err(ShapesError::Feature(2, _))), "{bad}");
        }
        let no_code = json!({ "type": "Feature", "properties": {}, "geometry": good["geometry"] });
        assert!(matches!(parse(vec![no_code]), Err(ShapesError::Feature(1, _))));
        assert!(matches!(Shapes::parse(b"<kml/>"), Err(ShapesError::Json(_))));
        assert!(matches!(Shapes::parse(b"{}"), Err(ShapesError::Feature(0, _))));
    }

    #[test]
    fn without_a_file_there_are_no_shapes() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Shapes::load(folder.path()).unwrap().is_empty());
        std::fs::write(folder.path().join(FILE), r#"{"features":[]}"#).unwrap();
        assert!(Shapes::load(folder.path()).unwrap().is_empty());
    }
}
