//! Which tokens a step reads.

/// What one sequence reads in a step: `take` of its unread tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Index of the sequence.
    pub(super) sequence: usize,
    /// How many tokens.
    pub(super) take: usize,
    /// Whether these are the last unread ones, so that a token can be sampled.
    pub(super) complete: bool,
}

/// Shares of a step, given how many tokens each sequence has not read yet.
///
/// A sequence with one unread token decodes, and every one of them takes part. The others
/// read prompts and divide `chunk` tokens among them, those with the shortest rest first:
/// a short prompt never waits for a long one, and every one gets at least a token a step.
pub(super) fn plan(unread: &[usize], chunk: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::with_capacity(unread.len());
    let share = |sequence, take, rest| Share { sequence, take, complete: take == rest };
    let mut prompts: Vec<(usize, usize)> = Vec::new();
    for (sequence, &rest) in unread.iter().enumerate() {
        if rest == 1 {
            shares.push(share(sequence, 1, 1));
        } else if rest > 1 {
            prompts.push((sequence, rest));
        }
    }
    prompts.sort_by_key(|&(_, rest)| rest);
    let mut left = chunk;
    let n_prompts = prompts.len();
    for (i, (sequence, rest)) in prompts.into_iter().enumerate() {
        let take = rest.min((left / (n_prompts - i)).max(1));
        left = left.saturating_sub(take);
        shares.push(share(sequence, take, rest));
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(unread: &[usize], chunk: usize) -> Vec<(usize, usize, bool)> {
        plan(unread, chunk).into_iter().map(|it| (it.sequence, it.take, it.complete)).collect()
    }

    #[test]
    fn decoding_comes_first_and_is_never_held_back() {
        assert_eq!(takes(&[300, 1, 1], 256), [(1, 1, true), (2, 1, true), (0, 256, false)]);
    }

    #[test]
    fn prompts_share_the_chunk() {
        let want = [(1, 20, true), (0, 118, false), (2, 118, false)];
        assert_eq!(takes(&[5000, 20, 6000], 256), want);
    }

    #[test]
    fn every_prompt_moves_even_when_the_chunk_is_small() {
        assert_eq!(takes(&[9, 9, 9], 2), [(0, 1, false), (1, 1, false), (2, 1, false)]);
    }
}
