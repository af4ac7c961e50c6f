//! The sampler as a user sees it: distributions, order of steps, state and errors.

use hedgerow::sampling::*;
use hedgerow::vocab::TokenId;

fn sampler(params: SamplingParams) -> Sampler {
    Sampler::new(params).unwrap()
}

/// Rows of every kind: normal, peaked, with ties, flat, and with holes.
fn rows(n: usize) -> Vec<Vec<f32>> {
    let mut state = n as u64 + 1;
    let mut uniform = move || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 40) as f32 / (1 << 24) as f32
    };
    let mut normal = move || (0..12).map(|_| uniform()).sum::<f32>() - 6.0;
    let base: Vec<f32> = (0..n).map(|_| 2.0 * normal()).collect();
    let mut peaked = base.clone();
    for i in 0..n.min(5) {
        peaked[(i * 7919) % n] += 20.0 - 3.0 * i as f32;
    }
    let ties = base.iter().map(|l| l.round()).collect();
    let mut holes = base.clone();
    for hole in holes.iter_mut().skip(1).step_by(3) {
        *hole = f32::NEG_INFINITY;
    }
    vec![base, peaked, ties, vec![0.25; n], holes]
}

/// Chains whose first filters take each of the shortcuts.
fn chains() -> Vec<SamplingParams> {
    let p = SamplingParams::default;
    vec![
        p(),
        p().temperature(0.0),
        p().temperature(0.8).top_k(40).top_p(0.95).min_p(0.05),
        p().top_k(1),
        p().top_k(700),
        p().temperature(1.7),
        p().temperature(0.8).top_p(0.9),
        p().top_p(0.0),
        p().top_p(0.3).min_p(0.5),
        p().temperature(2.0).min_p(0.1),
        p().temperature(0.5).typical_p(0.8).epsilon_cutoff(1e-3),
        p().order(ChainOrder::Llama).temperature(0.8).top_k(40).top_p(0.95).min_p(0.05),
        p().logit_bias(vec![(TokenId(3), 9.0), (TokenId(0), f32::NEG_INFINITY)]).top_p(0.9),
        p().allowed_tokens((0..60).map(TokenId).collect()).top_k(10),
        p().dynamic_temperature(DynamicTemperature::Entropy).top_k(20),
        p().mirostat(Mirostat::default().tau(3.0)),
    ]
}

fn masks(n: usize) -> Vec<Option<Vec<u32>>> {
    let words = n.div_ceil(32);
    let narrow = (0..words).map(|w| if w % 5 == 0 { 0x11 } else { 0 }).collect();
    let wide = (0..words).map(|w| if w % 16 == 9 { 0 } else { 0xffff_fff7 }).collect();
    vec![None, Some(narrow), Some(wide), Some(vec![8])]
}

#[test]
fn shortcuts_have_the_distribution_of_the_steps() {
    for n in [70, 1000, 5000] {
        for row in rows(n) {
            for params in chains() {
                for mask in masks(n) {
                    let mut s = sampler(params.clone());
                    s.with_prompt(&[TokenId(1), TokenId(2)]);
                    let Ok(mut fast) = s.distribution(&row, mask.as_deref()) else {
                        // The ban of token 0 meets the narrow mask on the row with holes.
                        assert!(n == 70 && s.stages(&row, mask.as_deref()).is_err());
                        continue;
                    };
                    let mut slow = s.stages(&row, mask.as_deref()).unwrap().pop().unwrap().kept;
                    fast.sort_by_key(|x| x.0);
                    slow.sort_by_key(|x| x.0);
                    let context = format!("{n} {params:?}");
                    assert_eq!(fast.len(), slow.len(), "{context}");
                    let mut sum = 0.0;
                    for (a, b) in fast.iter().zip(&slow) {
                        assert_eq!(a.0, b.0, "{context}");
                        assert!((a.1 - b.1).abs() <= 1e-5 * b.1 + 1e-9, "{context} {a:?} {b:?}");
                        sum += a.1 as f64;
                    }
                    assert!((sum - 1.0).abs() < 1e-5, "{context}: {sum}");
                    let sampled = s.sample(&row, mask.as_deref()).unwrap();
                    let p = slow.iter().find(|x| x.0 == sampled.token).expect("drawn from the support").1;
                    assert!((sampled.logprob.exp() - p).abs() <= 1e-5 * p, "{context}");
                }
            }
        }
    }
}

#[test]
fn greedy_takes_the_lowest_of_equals() {
    let mut s = sampler(SamplingParams::default().temperature(0.0));
    let mut row = vec![1.0; 3000];
    let drawn = s.sample(&row, None).unwrap();
    assert_eq!((drawn.token, drawn.logprob), (TokenId(0), 0.0));
    row[777] = 2.0;
    row[2222] = 2.0;
    assert_eq!(s.sample(&row, None).unwrap().token, TokenId(777));
    assert_eq!(s.sample(&row, Some(&[0b110000])).unwrap().token, TokenId(4));
}

#[test]
fn the_same_seed_gives_the_same_tokens() {
    let params = SamplingParams::default().temperature(1.5).seed(42);
    let rows: Vec<_> = (0..20).map(|i| rows(900 + i)[0].clone()).collect();
    let mut alone = sampler(params.clone());
    let tokens: Vec<TokenId> = rows
        .iter()
        .map(|row| {
            let token = alone.sample(row, None).unwrap().token;
            alone.accept(token);
            token
        })
        .collect();
    // The same tokens with two other sequences in the batch, with detours and with rollbacks.
    let mut s = sampler(params.clone());
    let mut other = sampler(params.clone().completion(1));
    for (row, &token) in rows.iter().zip(&tokens) {
        let checkpoint = s.checkpoint();
        for detour in [5, 6, 7] {
            s.accept(TokenId(detour));
            let _ = s.sample(row, None);
        }
        s.rollback(&checkpoint).unwrap();
        let theirs = other.sample(row, None).unwrap().token;
        other.accept(theirs);
        assert_eq!(s.sample(row, None).unwrap().token, token);
        assert_eq!(s.clone().sample(row, None).unwrap().token, token);
        s.accept(token);
    }
    assert_eq!(s.output(), tokens);
    assert_ne!(s.output(), other.output());
    assert_ne!(
        sampler(params.seed(43)).sample(&rows[0], None).unwrap(),
        sampler(SamplingParams::default().temperature(1.5).seed(42)).sample(&rows[0], None).unwrap()
    );
    s.reset();
    assert_eq!(s.sample(&rows[0], None).unwrap().token, tokens[0]);
}

#[test]
fn gumbel_max_is_the_largest_of_logits_and_noise() {
    for row in rows(5000) {
        for seed in 0..20 {
            let rng = Rng::new(seed, 0);
            let noisy = |id: usize| row[id] as f64 + rng.gumbel(0, Purpose::Gumbel, id as u32);
            let best = (0..row.len()).max_by(|&a, &b| noisy(a).total_cmp(&noisy(b))).unwrap();
            let params = SamplingParams::default().selection(Selection::GumbelMax).seed(seed);
            assert_eq!(sampler(params).sample(&row, None).unwrap().token, TokenId(best as u32));
        }
    }
}

#[test]
fn rollback_undoes_counts_and_feedback() {
    let params = SamplingParams::default()
        .frequency_penalty(0.5)
        .repetition_penalty(1.3)
        .mirostat(Mirostat::default().eta(0.5).tau(2.0));
    let row = &rows(500)[0];
    let mut s = sampler(params.clone());
    s.with_prompt(&[TokenId(4), TokenId(4)]);
    let mut distributions = vec![];
    let mut checkpoints = vec![];
    for _ in 0..6 {
        checkpoints.push(s.checkpoint());
        distributions.push(s.distribution(row, None).unwrap());
        let token = s.sample(row, None).unwrap().token;
        s.accept(token);
    }
    assert_ne!(distributions[0], distributions[5]);
    for i in (0..6).rev() {
        s.rollback(&checkpoints[i]).unwrap();
        assert_eq!(s.distribution(row, None).unwrap(), distributions[i]);
    }
    assert_eq!(s.rollback(&checkpoints[3]), Err(SamplingError::Rollback { wanted: 3, held: 0 }));
    assert!(s.rollback_tokens(1).is_err());
}

#[test]
fn min_tokens_yields_to_the_grammar_and_only_then() {
    let params = SamplingParams::default().min_tokens(2).end_tokens(vec![TokenId(1)]);
    let row = [0.0, 5.0, 1.0];
    let mut s = sampler(params.clone());
    assert!(s.distribution(&row, None).unwrap().iter().all(|x| x.0 != TokenId(1)));
    assert_eq!(s.sample(&row, Some(&[0b010])).unwrap().token, TokenId(1));
    assert_eq!(s.stages(&row, Some(&[0b010])).unwrap().pop().unwrap().kept, vec![(TokenId(1), 1.0)]);
    s.accept(TokenId(0));
    s.accept(TokenId(0));
    assert_eq!(s.distribution(&row, None).unwrap().len(), 3);
}

#[test]
fn forced_tokens() {
    let params = SamplingParams::default().forced_first(TokenId(2)).forced_last(TokenId(0)).max_tokens(3);
    let row = [0.0, 5.0, f32::NEG_INFINITY];
    let mut s = sampler(params.clone());
    let drawn = s.sample(&row, None).unwrap();
    assert_eq!((drawn.token, drawn.logprob), (TokenId(2), 0.0));
    assert!(matches!(s.sample(&row, Some(&[0b011])), Err(SamplingError::EmptySupport { .. })));
    s.accept(TokenId(2));
    assert_eq!(s.distribution(&row, None).unwrap().len(), 2);
    s.accept(TokenId(1));
    assert_eq!(s.sample(&row, None).unwrap().token, TokenId(0));
}

#[test]
fn bad_rows_are_errors() {
    let chains = chains();
    for params in &chains {
        for n in [3, 1000] {
            let mut params = params.clone().logit_bias(vec![]);
            params.allowed_tokens = None;
            let mut s = sampler(params.clone());
            let row = |at: usize, value: f32| {
                let mut row = vec![0.5; n];
                row[at] = value;
                row
            };
            let nan = s.sample(&row(n - 1, f32::NAN), None);
            assert_eq!(nan, Err(SamplingError::NotANumber(TokenId(n as u32 - 1))), "{params:?}");
            let infinite = s.sample(&row(1, f32::INFINITY), None);
            assert_eq!(infinite, Err(SamplingError::Infinite(TokenId(1))), "{params:?}");
            // A logit that the mask forbids is not read.
            assert!(s.sample(&row(1, f32::NAN), Some(&[0b101])).is_ok());
            let empty = s.sample(&vec![f32::NEG_INFINITY; n], None);
            assert!(matches!(empty, Err(SamplingError::EmptySupport { .. })), "{params:?}");
            assert!(matches!(s.sample(&row(0, 0.0), Some(&[])), Err(SamplingError::EmptySupport { .. })));
            assert!(matches!(s.sample(&row(0, 0.0), Some(&[1; 99])), Err(SamplingError::MaskLength { .. })));
            assert_eq!(s.sample(&[], None), Err(SamplingError::RowLength { given: 0 }));
            assert!(s.sample(&vec![f32::MAX; n], None).is_ok());
            assert!(s.sample(&vec![f32::MIN; n], None).is_ok());
        }
    }
}

#[test]
fn bad_parameters_are_errors() {
    let p = SamplingParams::default;
    for (params, expected) in [
        (p().temperature(-1.0), "`temperature` is -1"),
        (p().temperature(f32::NAN), "`temperature` is NaN"),
        (p().top_p(1.01), "`top_p` is 1.01; expected a number in [0, 1]"),
        (p().top_p(f32::NAN), "`top_p`"),
        (p().min_p(-0.1), "`min_p`"),
        (p().typical_p(2.0), "`typical_p`"),
        (p().tfs_z(-1.0), "`tfs_z`"),
        (p().epsilon_cutoff(1.0), "`epsilon_cutoff`"),
        (p().top_n_sigma(0.0), "`top_n_sigma`"),
        (p().top_h(0.0), "`top_h`"),
        (p().xtc(Xtc::new(2.0, 0.1)), "`xtc.probability`"),
        (p().repetition_penalty(0.0), "`repetition_penalty`"),
        (p().frequency_penalty(2.5), "`frequency_penalty` is 2.5; expected a number in [-2, 2]"),
        (p().logit_bias(vec![(TokenId(0), f32::INFINITY)]), "`logit_bias`"),
        (p().logit_bias(vec![(TokenId(0), f32::NAN)]), "`logit_bias`"),
        (p().bad_words(vec![vec![]]), "`bad_words`"),
        (p().allowed_tokens(vec![]), "`allowed_tokens`"),
        (p().min_tokens(5).max_tokens(4), "`min_tokens` and `max_tokens` conflict"),
        (p().forced_last(TokenId(0)), "`forced_last` and `max_tokens` conflict"),
        (
            p().mirostat(Mirostat::default()).adaptive_p(AdaptiveP::default().target(0.5).decay(0.9)),
            "`mirostat` and `adaptive_p` conflict",
        ),
        (p().dry(Dry::default().base(0.5)), "`dry.base`"),
        (p().order(ChainOrder::Custom(vec![Step::TopK, Step::Mask])), "chain order"),
    ] {
        let error = params.validate().expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
        assert!(Sampler::new(params).is_err());
    }
    let mut s = sampler(p().logit_bias(vec![(TokenId(9), 1.0)]));
    assert_eq!(
        s.sample(&[0.0; 4], None),
        Err(SamplingError::TokenOutOfRange { name: "logit_bias", token: TokenId(9), logits: 4 })
    );
}

#[test]
fn half_precision_rows_are_sampled_as_their_values() {
    let bits: Vec<u16> = (0..2000u32).map(|i| (0x3c00 + (i * 7919) % 2048) as u16).collect();
    let values: Vec<f32> = (0..2000).map(|i| LogitRow::F16(&bits).get(i).unwrap()).collect();
    let mut s = sampler(SamplingParams::default().temperature(0.7).top_p(0.9));
    assert_eq!(s.distribution(LogitRow::F16(&bits), None), s.distribution(&values, None));
    assert_eq!(s.sample(LogitRow::F16(&bits), None), s.sample(&values, None));
}

#[test]
fn samplers_can_move_between_threads() {
    fn check<T: Send + Sync + Clone>(_: &T) {}
    let s = sampler(SamplingParams::default());
    check(&s);
    let mut moved = s.clone();
    let token =
        std::thread::spawn(move || moved.sample(&[0.0, 1.0, 0.5], None).unwrap().token).join().unwrap();
    assert_eq!(sampler(SamplingParams::default()).sample(&[0.0, 1.0, 0.5], None).unwrap().token, token);
}

#[test]
fn edits_may_follow_filters_in_a_custom_order() {
    let params = SamplingParams::default().top_k(2).logit_bias(vec![(TokenId(0), 9.0), (TokenId(2), -9.0)]);
    let row = [0.0, 3.0, 2.0, 1.0];
    let kept = |order| {
        let mut distribution = sampler(params.clone().order(order)).distribution(&row, None).unwrap();
        distribution.sort_by(|a, b| b.1.total_cmp(&a.1));
        distribution.into_iter().map(|x| x.0.0).collect::<Vec<_>>()
    };
    assert_eq!(kept(ChainOrder::Hf), [0, 1]);
    // With top-k first, token 0 is dropped before its bias, and token 2 stays in spite of its own.
    assert_eq!(kept(ChainOrder::Custom(vec![Step::Mask, Step::TopK, Step::LogitBias])), [1, 2]);
}

#[test]
fn orders_are_those_of_their_libraries() {
    // vLLM's min-p looks at all tokens, so top-p divides another mass.
    let params = SamplingParams::default().top_p(0.57).min_p(0.5);
    let row = [0.4f32, 0.3, 0.15, 0.15].map(f32::ln);
    let kept = |order| sampler(params.clone().order(order)).distribution(&row, None).unwrap().len();
    assert_eq!([ChainOrder::Hf, ChainOrder::Vllm].map(kept), [2, 1]);
    // An end token that the prompt holds: transformers changes it by the decay of what the penalty
    // has left of its logit, here −2 · 1.5 + |−3| · (2² − 1).
    let params = SamplingParams::default().repetition_penalty(1.5).end_tokens(vec![TokenId(0)]);
    let decay = ExponentialDecay::new(0, 2.0);
    let mut decayed = sampler(params.exponential_decay(decay));
    decayed.with_prompt(&[TokenId(0)]);
    (0..2).for_each(|_| decayed.accept(TokenId(1)));
    let mut logits = [-2.0f32, 0.0];
    decayed.process(&mut logits, None).unwrap();
    assert_eq!(logits[0], 6.0);
}

#[test]
fn extreme_logits_give_distributions() {
    let p = SamplingParams::default;
    let more = [
        p().typical_p(0.5),
        p().tfs_z(0.5),
        p().eta_cutoff(0.01),
        p().top_a(0.5),
        p().top_n_sigma(1.0),
        p().top_h(0.5),
        p().p_less(PLess::Normalised),
        p().xtc(Xtc::new(1.0, 0.1)),
        p().smoothing(Smoothing::default().factor(1.0).curve(2.0)),
        p().adaptive_p(AdaptiveP::default().target(0.5).decay(0.5)),
        p().mirostat(Mirostat::default().version(MirostatVersion::V1)),
        p().temperature(1e-40),
        p().temperature(1e38),
        p().repetition_penalty(1e-30),
        p().watermark(Watermark::default()),
    ];
    for params in chains().into_iter().chain(more) {
        for n in [3, 5, 200, 3000] {
            let values = [f32::MAX, f32::MIN, 0.0, -0.0, 1e-45, f32::MAX, -1e30, f32::NEG_INFINITY];
            for shift in 0..values.len() {
                let row: Vec<f32> = (0..n).map(|i| values[(i * 5 + shift) % values.len()]).collect();
                let mut params = params.clone().logit_bias(vec![]);
                params.allowed_tokens = None;
                let mut s = sampler(params.clone());
                s.accept(TokenId(1));
                let context = format!("{n} {shift} {params:?}");
                let distribution = s.distribution(&row, None).unwrap_or_else(|e| panic!("{e}: {context}"));
                let sum: f64 = distribution.iter().map(|x| x.1 as f64).sum();
                assert!((sum - 1.0).abs() < 1e-4, "{sum}: {context}");
                let sampled = s.sample(&row, None).unwrap();
                assert!(
                    distribution.iter().any(|x| x.0 == sampled.token) && sampled.logprob <= 1e-6,
                    "{context}"
                );
            }
        }
    }
}

/// Each row of the table of parameters has a help text, and a value that is written as text and
/// read back is the same.
#[test]
fn parameters_are_read_as_they_are_written() {
    for (name, texts) in [
        ("temperature", &["0", "0.7"][..]),
        ("dynamic_temperature", &["off", "entropy", "position:40", "range:0.5:1.5:2"]),
        ("top_k_ties", &["lowest-id", "keep-all"]),
        ("tfs_end", &["after", "before"]),
        ("top_n_sigma", &["off", "1.5"]),
        ("p_less", &["off", "plain", "normalised"]),
        ("xtc", &["off", "0.5:0.1"]),
        ("smoothing", &["0.2:1.5"]),
        ("mirostat", &["off", "1:4:0.2", "2:5:0.1"]),
        ("adaptive_p", &["0.3:0.8"]),
        ("dry", &["0.8:1.75:2:0", "0.8:1.5:3:64/13,198"]),
        ("logit_bias", &["", "5=-inf,6=1.5"]),
        ("sequence_bias", &["5:3=0.5,2=-1"]),
        ("bad_words", &["5:3:8,2"]),
        ("allowed_tokens", &["off", "1,2,3"]),
        ("suppressed_tokens", &["", "1,2"]),
        ("exponential_decay", &["100:1.05"]),
        ("forced_first", &["off", "7"]),
        ("max_tokens", &["off", "12"]),
        ("watermark", &["off", "0.25:2:15485863", "0.5:3:99:4"]),
        ("order", &["hf", "vllm", "llama", "mask,temperature,top-k"]),
        ("selection", &["inverse-cdf", "gumbel-max"]),
        ("seed", &["18446744073709551615"]),
    ] {
        let parameter = Parameter::ALL.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("{name}"));
        for text in texts {
            let mut params = SamplingParams::default();
            parameter.set(&mut params, text).unwrap_or_else(|e| panic!("{name} {text}: {e}"));
            assert_eq!(&parameter.get(&params), text, "{name}");
        }
        if !["seed", "order"].contains(&name) {
            let error = parameter.set(&mut SamplingParams::default(), "x:y:z:=").unwrap_err().to_string();
            assert!(error.contains(&format!("`{name}`: `x:y:z:=` cannot be read; expected")), "{error}");
        }
    }
    let plain = SamplingParams::default();
    for parameter in Parameter::ALL {
        let mut params = plain.clone();
        parameter.set(&mut params, &parameter.get(&plain)).unwrap();
        assert_eq!(params, plain, "{}", parameter.name);
        assert!(parameter.help().ends_with('.') && !parameter.form.is_empty(), "{}", parameter.name);
    }
}

/// `docs/sampling.md` names every option and step, the orders and the presets as the tables do.
#[test]
fn the_guide_names_all_rows_of_the_tables() {
    let guide = include_str!("../../docs/sampling.md");
    for parameter in Parameter::ALL.iter().filter(|parameter| parameter.group != Group::Loop) {
        let flag = format!("`--{}", parameter.name.replace('_', "-"));
        assert!(guide.contains(&flag), "{flag} is missing");
    }
    let words = guide.split_whitespace().collect::<Vec<_>>().join(" ");
    for order in [ChainOrder::Hf, ChainOrder::Vllm, ChainOrder::Llama] {
        let names: Vec<_> = order.steps().iter().map(|step| step.name()).collect();
        assert!(words.contains(&names.join(" ")), "{order}: {}", names.join(" "));
    }
    for p in presets::PRESETS.iter().chain(&presets::RECIPES) {
        let row = format!("| `{}` | {} | {} | {} |", p.name, p.temperature, p.top_p, p.frequency_penalty);
        assert!(guide.contains(&row), "{row}");
    }
}
