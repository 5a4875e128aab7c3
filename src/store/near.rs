//! Names that may have been meant. Pure.

/// How many are listed.
const LISTED: usize = 5;
/// Longest name that is compared letter by letter.
const LENGTH_MAX: usize = 80;

/// Of `names`, those that are most like `wanted`, the best first.
pub(super) fn near<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut scored: Vec<(usize, &str)> = names
        .map(|name| (unlikeness(&wanted.to_lowercase(), &name.to_lowercase()), name))
        .collect();
    scored.sort();
    scored.into_iter().take(LISTED).map(|(_, name)| name.to_owned()).collect()
}

fn unlikeness(wanted: &str, name: &str) -> usize {
    if wanted.len() > LENGTH_MAX || name.len() > LENGTH_MAX {
        return usize::MAX;
    }
    if name.contains(wanted) || wanted.contains(name) {
        return wanted.len().abs_diff(name.len()).min(1);
    }
    distance(wanted.as_bytes(), name.as_bytes())
}

/// The number of letters to insert, delete or replace (Levenshtein).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_likeliest_comes_first() {
        let names = ["main", "develop", "feature/login", "release-1", "mian-2", "x"];
        assert_eq!(near("mian", names.into_iter())[0], "mian-2");
        assert_eq!(near("develp", names.into_iter())[0], "develop");
        assert_eq!(near("Login", names.into_iter())[0], "feature/login");
        assert_eq!(near("anything", names.into_iter()).len(), LISTED);
    }
}
