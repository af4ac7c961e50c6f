//! Weights from safetensors files: one `model.safetensors`, or shards listed in
//! `model.safetensors.index.json`.
//!
//! The file format is a JSON header with kinds, shapes and byte ranges, then the bytes. The
//! `safetensors` crate reads it and checks that the ranges tile the file. The list of tensors is
//! taken from the shards' own headers; the index only names the files of the model.

use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

use ::safetensors::SafeTensors;
use ::safetensors::tensor::{Dtype, Metadata, TensorInfo};
use tch::{Kind, Tensor};

use super::{Member, Names, Role, WeightSource};
use crate::torch::error::{Doing, TorchError};
use crate::vocab::without_bom;

/// The name of the single file of an unsharded checkpoint.
pub(crate) const SINGLE: &str = "model.safetensors";
/// The name of the file that lists the shards of a sharded checkpoint.
pub(crate) const INDEX: &str = "model.safetensors.index.json";

struct Shard {
    path: PathBuf,
    map: memmap2::Mmap,
    /// The offset at which the header ends and the tensors' bytes begin.
    data: usize,
    metadata: Metadata,
}

/// The safetensors files of one checkpoint.
pub(crate) struct SafetensorsFiles {
    shards: Vec<Shard>,
    /// Index of the shard of each tensor, by name.
    places: HashMap<String, usize>,
    total: u64,
}

/// The weights of a Hugging Face folder.
pub(crate) struct SafetensorsWeights {
    files: SafetensorsFiles,
    names: &'static Names,
    /// The prefix of names in this checkpoint; one of [`Names::roots`].
    root: &'static str,
}

impl SafetensorsWeights {
    /// Opens the checkpoint in `folder`, whose tensors have these names.
    pub(crate) fn open(folder: &Path, names: &'static Names) -> Result<Self, TorchError> {
        let index = folder.join(INDEX);
        let files = if index.is_file() {
            shard_files(folder, &index)?
        } else if folder.join(SINGLE).is_file() {
            vec![folder.join(SINGLE)]
        } else {
            return Err(TorchError::NotAModel {
                path: folder.to_path_buf(),
                reason: format!("it holds neither {SINGLE} nor {INDEX}"),
            });
        };
        let files = SafetensorsFiles::open(files)?;
        let embedding = |root: &str| Role::Embedding.hugging_face_name(Member::Weight, names, root);
        let is_there = |root: &&&str| embedding(root).is_some_and(|name| files.places.contains_key(&name));
        let root = names.roots.iter().find(is_there).or(names.roots.first());
        Ok(Self { root: root.copied().unwrap_or_default(), files, names })
    }

    fn named(&self, role: Role, member: Member) -> Option<String> {
        role.hugging_face_name(member, self.names, self.root)
    }
}

impl SafetensorsFiles {
    /// Opens these files as one checkpoint.
    pub(crate) fn open(files: Vec<PathBuf>) -> Result<Self, TorchError> {
        let mut weights = Self { shards: Vec::new(), places: HashMap::new(), total: 0 };
        for path in files {
            let map = super::map(&path)?;
            let (header, metadata) = SafeTensors::read_metadata(&map)
                .map_err(|error| TorchError::Safetensors { path: path.clone(), reason: error.to_string() })?;
            // Eight bytes of header length come before the header.
            let data = header + 8;
            for (name, info) in metadata.tensors() {
                weights.total += (info.data_offsets.1 - info.data_offsets.0) as u64;
                weights.places.insert(name, weights.shards.len());
            }
            weights.shards.push(Shard { path, map, data, metadata });
        }
        Ok(weights)
    }

    fn find(&self, name: &str) -> Option<(&Shard, &TensorInfo)> {
        let shard = &self.shards[*self.places.get(name)?];
        Some((shard, shard.metadata.info(name)?))
    }

    /// A tensor's shape, by its name in the file.
    pub(crate) fn shape(&self, name: &str) -> Option<Vec<i64>> {
        let (_, info) = self.find(name)?;
        // A size past i64 cannot be in a file; −1 makes the comparison fail with the tensor's name.
        Some(info.shape.iter().map(|&size| i64::try_from(size).unwrap_or(-1)).collect())
    }

    /// A tensor, by its name in the file.
    pub(crate) fn read(&self, name: &str) -> Result<Tensor, TorchError> {
        let name = name.to_owned();
        let Some((shard, info)) = self.find(&name) else {
            return Err(TorchError::MissingTensor { name });
        };
        let kind = match info.dtype {
            Dtype::F64 => Kind::Double,
            Dtype::F32 => Kind::Float,
            Dtype::F16 => Kind::Half,
            Dtype::BF16 => Kind::BFloat16,
            other => {
                let format = format!("{other:?}");
                return Err(TorchError::TensorFormat { name, format, supported: "F64, F32, F16, BF16" });
            }
        };
        let (start, end) = info.data_offsets;
        let bytes =
            shard.map.get(shard.data + start..shard.data + end).ok_or_else(|| TorchError::Safetensors {
                path: shard.path.clone(),
                reason: format!("{name} lies outside the file"),
            })?;
        let shape = self.shape(&name).unwrap_or_default();
        Tensor::f_from_data_size(bytes, &shape, kind).doing("copying weights")
    }
}

/// The files that an index names, each once, in order of name.
fn shard_files(folder: &Path, index: &Path) -> Result<Vec<PathBuf>, TorchError> {
    let broken =
        |reason: &str| TorchError::Safetensors { path: index.to_path_buf(), reason: reason.to_owned() };
    let text = std::fs::read(index).map_err(TorchError::io(index))?;
    let json: serde_json::Value =
        serde_json::from_slice(without_bom(&text)).map_err(|error| broken(&error.to_string()))?;
    let map = json.get("weight_map").and_then(|map| map.as_object());
    let map = map.ok_or_else(|| broken("it has no object `weight_map`"))?;
    let mut files = BTreeSet::new();
    for file in map.values() {
        let file =
            file.as_str().ok_or_else(|| broken("`weight_map` holds something other than file names"))?;
        // A downloaded index must not refer to files outside its folder.
        if !Path::new(file).components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(broken(&format!("`weight_map` names a file outside the folder: {file}")));
        }
        files.insert(folder.join(file));
    }
    Ok(files.into_iter().collect())
}

impl WeightSource for SafetensorsWeights {
    fn name(&self, role: Role, member: Member) -> String {
        self.named(role, member).unwrap_or_else(|| role.gguf_name(member))
    }

    fn shape(&self, role: Role, member: Member) -> Option<Vec<i64>> {
        self.files.shape(&self.named(role, member)?)
    }

    fn read(&self, role: Role, member: Member) -> Result<Tensor, TorchError> {
        self.files.read(&self.name(role, member))
    }

    fn names(&self) -> Vec<String> {
        self.files.places.keys().cloned().collect()
    }

    fn total_bytes(&self) -> u64 {
        self.files.total
    }

    fn bytes(&self, role: Role, member: Member) -> u64 {
        let found = self
            .named(role, member)
            .and_then(|name| self.files.find(&name).map(|(_, info)| info.data_offsets));
        found.map_or(0, |(start, end)| (end - start) as u64)
    }
}
