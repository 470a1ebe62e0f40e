//! The rules of `tidy`, as data. To add one, add an entry: its examples are part of it and are tested.
//!
//! A pattern is a sequence of elements, one for each word or punctuation mark of the text, in lower case:
//!
//! - `a|b`: any of these words.
//! - `!a|b`: any other word, or the end of the text.
//! - `*`: any word.
//! - `...`: any number of words and marks within the sentence.
//! - `^`: the start of a sentence that is not a question.
//! - `$`: the end of a clause, which is a punctuation mark or the end of the text.

/// The texts that a rule applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Doc comments.
    Docs,
    /// Comments and doc comments.
    Comments,
    /// Comments, doc comments and Markdown.
    Written,
    /// Comments, doc comments, Markdown, and string literals outside tests.
    Text,
}

/// A pattern that is rejected.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The pattern.
    pub pattern: &'static str,
    /// The texts that it applies to.
    pub scope: Scope,
    /// Advice.
    pub instead: &'static str,
    /// A text that it rejects.
    pub rejected: &'static str,
    /// A similar text that it accepts.
    pub accepted: &'static str,
}

const fn rule(
    scope: Scope,
    pattern: &'static str,
    instead: &'static str,
    rejected: &'static str,
    accepted: &'static str,
) -> Rule {
    Rule { pattern, scope, instead, rejected, accepted }
}

/// Every rule.
#[rustfmt::skip]
pub(crate) const RULES: &[Rule] = &[
    // "a block" in the sense of "for each block".
    rule(Scope::Text, "once|twice a|an * $", "once per block",
        "It costs 0.5 ns, once a sample.", "A page stays present once a pass has touched it."),
    rule(Scope::Text, "ns|us|ms|nanoseconds|microseconds|milliseconds|bytes|operations|values|rows a|an *",
        "ns per I/O", "The loop takes 2 ns an I/O.", "The loop takes 2 ns per I/O."),
    rule(Scope::Text, "one|two !,|is|are|was|as|of|in|than|takes|for a|an \
        block|call|i/o|sample|page|iteration|batch|mode|pair|round|point|row|process|second|kib|mib|gib",
        "one read per block", "It makes one read a block.", "It is one of a pair, or one in a batch."),

    // Words that an engineer would not say.
    rule(Scope::Text, "at the most|least !recent|common|often", "at most; at least",
        "There are 64 at the most.", "It looks at the most recent sample, at most."),
    rule(Scope::Text, "none of", "no; not any", "None of them runs.", "No strategy runs."),
    rule(Scope::Text, "!there is|are|was|were none", "is not a; there is no",
        "A lifetime is none.", "It returns null if there is none."),
    rule(Scope::Text,
        "!there is|are|was|were no !longer|more|less|larger|smaller|faster|slower|better|different",
        "is not a", "The vDSO read is no system call.", "There is no system call, and it is no longer slow."),
    rule(Scope::Text, "nothing but", "only", "It holds nothing but the flags.", "It holds only the flags."),
    rule(Scope::Text, "as far as", "where",
        "It is pinned as far as that works.", "It is pinned where that works."),
    rule(Scope::Text, "one's own", "your own", "A strategy of one's own.", "A strategy of your own."),
    rule(Scope::Text, "besides", "also; other than", "Besides, it syncs.", "It stands beside the result."),
    rule(Scope::Text, "too $", "also", "Writes do that, too.", "The file is too short."),
    rule(Scope::Text, "anew", "again; from scratch", "It maps the file anew.", "It maps the file again."),
    rule(Scope::Text, "by|to|of so many", "N",
        "It is slowed by so many percent.", "It has so many pages that it swaps."),
    rule(Scope::Text, "in the moment", "at this time", "The cost in the moment.", "The cost at this moment."),
    rule(Scope::Text, "read|written|kept|printed|taken|copied|loaded|compiled whole $", "completely",
        "The file is read whole.", "The files that are read whole pages at a time."),

    // Sentences without a subject, and clauses in place of a noun.
    rule(Scope::Text, "^ so that", "a sentence with a subject and a verb",
        "Fresh memory. So that no two samples share it.", "The pool is renewed, so that pages move."),
    rule(Scope::Text, "^ of what|which|whom", "a sentence with a subject and a verb",
        "Of what moves nothing there is nothing to win.", "The kind of what moves is unknown."),
    rule(Scope::Docs, "^ whether", "True if",
        "Whether it runs.", "True if it runs, whether or not it is fast."),
    rule(Scope::Docs, "^ what|who|whom|whose", "a noun: Support, Watched processes",
        "What moves nothing.", "What does it move? The null strategy moves nothing."),
    rule(Scope::Comments, "; ... ;", "a sentence for each thought",
        "It opens the file; it maps it; it runs.", "It opens the file; it runs. A map; a run."),

    // Metaphors in place of terms.
    rule(Scope::Text, "struck|downfall", "faulted; exit status",
        "The sample was struck.", "The sample was hit."),
    rule(Scope::Text, "dies|died", "exits", "The program dies.", "The program exits."),
    rule(Scope::Text, "witness|witnesses", "independent samples",
        "Ten witnesses of one time.", "Ten independent samples."),
    rule(Scope::Text, "left alone", "idle; unchanged", "The machine is left alone.", "The machine is idle."),
    rule(Scope::Text, "hold|holds|held against", "compares with",
        "The floor that it is held against.", "The floor that it is compared with."),
    rule(Scope::Text, "is|are|was|were|be|been told !apart", "receives; reads; knows",
        "The program is told the path.", "The samples are told apart."),
    rule(Scope::Text, "asks|asked for", "requests; requested",
        "The depth that was asked for.", "The depth that was requested."),
    rule(Scope::Text, "nobody|somebody|whoever", "no process; the process that",
        "A device that nobody uses.", "A device that is not in use."),
    rule(Scope::Text, "is|are|was|were of another|both", "belongs to; differs in",
        "The points are of another time.", "The points belong to another time."),

    // The history of the text belongs to git.
    rule(Scope::Written, "formerly|originally", "the present state",
        "Originally it was a vector.", "It is a list."),
];
