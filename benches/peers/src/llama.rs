//! llama.cpp's samplers, called as its own programs call them. All `unsafe` of this program is
//! here.
//!
//! `make bench-deps` compiles llama.cpp's sampler source (of the PyPI package `llama-cpp-python`,
//! pinned) to `.deps/llama/libllama-samplers.so`. A complete `libllama.so` of the same version
//! works as well. No model is needed: a chain works on an array of candidates. The declarations
//! follow that version's `include/llama.h`.
//!
//! [`Chain::sample`] does the work of `llama_sampler_sample` for one row: it fills the chain's
//! array with (id, logit, 0) and applies the chain. A mask is applied before the chain, as
//! llama.cpp's grammars do, by writing −∞ to the forbidden candidates.

#![allow(unsafe_code)]

use anyhow::{Context, Result, ensure};
use libloading::Library;
use std::ffi::c_void;
use std::path::Path;
use std::ptr::NonNull;
use std::rc::Rc;

/// `llama_token_data`.
#[repr(C)]
#[derive(Clone, Copy)]
struct TokenData {
    id: i32,
    logit: f32,
    p: f32,
}

/// `llama_token_data_array`.
#[repr(C)]
struct TokenDataArray {
    data: *mut TokenData,
    size: usize,
    selected: i64,
    sorted: bool,
}

/// `llama_sampler_chain_params`.
#[repr(C)]
struct ChainParams {
    no_perf: bool,
}

/// `llama_sampler *`.
type Raw = *mut c_void;

/// One sampler of a chain, with llama.cpp's parameters.
#[derive(Clone, Copy, Debug)]
pub enum Link {
    /// `llama_sampler_init_greedy`.
    Greedy,
    /// `llama_sampler_init_top_k`.
    TopK(i32),
    /// `llama_sampler_init_top_p`, at least one candidate kept.
    TopP(f32),
    /// `llama_sampler_init_min_p`, at least one candidate kept.
    MinP(f32),
    /// `llama_sampler_init_typical`, at least one candidate kept.
    Typical(f32),
    /// `llama_sampler_init_temp`.
    Temperature(f32),
    /// `llama_sampler_init_mirostat` with m = 100: vocabulary size, τ, η.
    Mirostat(i32, f32, f32),
    /// `llama_sampler_init_mirostat_v2`: τ, η.
    MirostatV2(f32, f32),
    /// `llama_sampler_init_dist`.
    Draw,
}

/// The seed of a chain's random numbers.
const SEED: u32 = 1;

/// The library's functions that are used here.
struct Functions {
    chain_init: unsafe extern "C" fn(ChainParams) -> Raw,
    chain_add: unsafe extern "C" fn(Raw, Raw),
    apply: unsafe extern "C" fn(Raw, *mut TokenDataArray),
    free: unsafe extern "C" fn(Raw),
    reset: unsafe extern "C" fn(Raw),
    greedy: unsafe extern "C" fn() -> Raw,
    top_k: unsafe extern "C" fn(i32) -> Raw,
    top_p: unsafe extern "C" fn(f32, usize) -> Raw,
    min_p: unsafe extern "C" fn(f32, usize) -> Raw,
    typical: unsafe extern "C" fn(f32, usize) -> Raw,
    temp: unsafe extern "C" fn(f32) -> Raw,
    mirostat: unsafe extern "C" fn(i32, u32, f32, f32, i32) -> Raw,
    mirostat_v2: unsafe extern "C" fn(u32, f32, f32) -> Raw,
    dist: unsafe extern "C" fn(u32) -> Raw,
    /// Keeps the code to which the pointers above lead.
    _library: Library,
}

/// The loaded library.
#[derive(Clone)]
pub struct Llama(Rc<Functions>);

impl Llama {
    /// Loads the library at `path`.
    ///
    /// # Errors
    /// A file that is missing, or is no such library.
    pub fn open(path: &Path) -> Result<Self> {
        // SAFETY: loading runs the library's initialisers: C++ static constructors that depend on
        // nothing of this program.
        let library = unsafe { Library::new(path) }.with_context(|| {
            format!("cannot load {}; `make bench-deps` builds llama.cpp's samplers", path.display())
        })?;
        // SAFETY (of every `symbol!`): the types of the fields are those of the declarations in
        // llama.h.
        macro_rules! symbol {
            ($name:literal) => {
                *unsafe { library.get(concat!($name, "\0").as_bytes()) }
                    .with_context(|| format!("{} has no `{}`", path.display(), $name))?
            };
        }
        Ok(Llama(Rc::new(Functions {
            chain_init: symbol!("llama_sampler_chain_init"),
            chain_add: symbol!("llama_sampler_chain_add"),
            apply: symbol!("llama_sampler_apply"),
            free: symbol!("llama_sampler_free"),
            reset: symbol!("llama_sampler_reset"),
            greedy: symbol!("llama_sampler_init_greedy"),
            top_k: symbol!("llama_sampler_init_top_k"),
            top_p: symbol!("llama_sampler_init_top_p"),
            min_p: symbol!("llama_sampler_init_min_p"),
            typical: symbol!("llama_sampler_init_typical"),
            temp: symbol!("llama_sampler_init_temp"),
            mirostat: symbol!("llama_sampler_init_mirostat"),
            mirostat_v2: symbol!("llama_sampler_init_mirostat_v2"),
            dist: symbol!("llama_sampler_init_dist"),
            _library: library,
        })))
    }

    /// A chain of samplers.
    ///
    /// # Errors
    /// A chain or sampler that llama.cpp could not make.
    pub fn chain(&self, links: &[Link]) -> Result<Chain> {
        let f = &*self.0;
        // SAFETY: a constructor without preconditions; the struct is passed by value as declared.
        // Without its timers the chain calls nothing outside the sampler source.
        let raw = unsafe { (f.chain_init)(ChainParams { no_perf: true }) };
        let raw = NonNull::new(raw).context("llama.cpp made no chain")?;
        let chain = Chain { functions: self.0.clone(), raw, candidates: Vec::new() };
        for &link in links {
            // SAFETY: constructors that take numbers by value.
            let sampler = unsafe {
                match link {
                    Link::Greedy => (f.greedy)(),
                    Link::TopK(k) => (f.top_k)(k),
                    Link::TopP(p) => (f.top_p)(p, 1),
                    Link::MinP(p) => (f.min_p)(p, 1),
                    Link::Typical(p) => (f.typical)(p, 1),
                    Link::Temperature(t) => (f.temp)(t),
                    Link::Mirostat(size, tau, eta) => (f.mirostat)(size, SEED, tau, eta, 100),
                    Link::MirostatV2(tau, eta) => (f.mirostat_v2)(SEED, tau, eta),
                    Link::Draw => (f.dist)(SEED),
                }
            };
            ensure!(!sampler.is_null(), "llama.cpp made no sampler for {link:?}");
            // SAFETY: both are live samplers of this library; the chain owns the added one from
            // here on.
            unsafe { (f.chain_add)(raw.as_ptr(), sampler) };
        }
        Ok(chain)
    }
}

/// A chain of samplers, and the array it works on.
pub struct Chain {
    functions: Rc<Functions>,
    raw: NonNull<c_void>,
    candidates: Vec<TokenData>,
}

impl Chain {
    /// The token that the chain selects for a row of logits, under a mask of one bit a token.
    /// `None` if the chain has no sampler that selects. Random numbers and Mirostat's μ advance.
    pub fn sample(&mut self, logits: &[f32], mask: Option<&[u32]>) -> Option<u32> {
        let array = self.apply(logits, mask);
        let selected = usize::try_from(array.selected).ok().filter(|&at| at < array.size)?;
        // SAFETY: `apply` returned an array of `size` initialised candidates, and `selected` is
        // below `size`.
        let id = unsafe { (*array.data.add(selected)).id };
        u32::try_from(id).ok()
    }

    /// The candidates that the chain keeps, with the logits it gives them.
    pub fn kept(&mut self, logits: &[f32], mask: Option<&[u32]>) -> Vec<(u32, f32)> {
        let array = self.apply(logits, mask);
        // SAFETY: as in `sample`; nothing else reads or writes the array while the slice lives.
        let kept = unsafe { std::slice::from_raw_parts(array.data, array.size) };
        kept.iter().filter(|of| of.logit > f32::NEG_INFINITY).map(|of| (of.id as u32, of.logit)).collect()
    }

    /// Restores the state of a new chain: its random numbers and Mirostat's μ.
    pub fn reset(&mut self) {
        // SAFETY: a live chain of this library.
        unsafe { (self.functions.reset)(self.raw.as_ptr()) };
    }

    fn apply(&mut self, logits: &[f32], mask: Option<&[u32]>) -> TokenDataArray {
        self.candidates.clear();
        let all = logits.iter().zip(0i32..);
        match mask {
            None => self.candidates.extend(all.map(|(&logit, id)| TokenData { id, logit, p: 0.0 })),
            Some(mask) => self.candidates.extend(all.map(|(&logit, id)| {
                let is_allowed = mask.get((id >> 5) as usize).is_some_and(|word| word >> (id & 31) & 1 == 1);
                TokenData { id, logit: if is_allowed { logit } else { f32::NEG_INFINITY }, p: 0.0 }
            })),
        }
        let mut array = TokenDataArray {
            data: self.candidates.as_mut_ptr(),
            size: self.candidates.len(),
            selected: -1,
            sorted: false,
        };
        // SAFETY: a live chain, and an array of `size` initialised candidates to which nothing else
        // refers. The samplers reorder it and make `size` smaller, or let `data` point to memory of
        // their own. That memory lives until they are applied again or freed, which needs
        // `&mut self`.
        unsafe { (self.functions.apply)(self.raw.as_ptr(), &mut array) };
        array
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        // SAFETY: a live chain of this library, which is not used after this; it frees the samplers
        // that it owns.
        unsafe { (self.functions.free)(self.raw.as_ptr()) };
    }
}
