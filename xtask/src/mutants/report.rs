//! The results of the mutants.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::job::{By, Job, Verdict};

/// Prints mutant | rule | caught by test | by exploration | by seeds (the first) | by random operations; fails when one
/// escaped.
pub(crate) fn print(done: &[(Job<'_>, Verdict)]) -> Result<()> {
    println!("\n== mutants");
    let mut names: Vec<_> = Vec::new();
    for (job, _) in done {
        if names.last() != Some(&&*job.mutant.name) {
            names.push(&*job.mutant.name);
        }
    }
    for name in &names {
        println!("{}", row(done.iter().filter(|(job, _)| job.mutant.name == *name)));
    }
    let escaped: BTreeSet<_> =
        done.iter().filter(|(_, verdict)| verdict.is_err()).map(|(job, _)| &*job.mutant.name).collect();
    println!("{} mutants, {} escaped", names.len(), escaped.len());
    ensure!(escaped.is_empty(), "mutants escaped: {escaped:?}");
    Ok(())
}

fn row<'a>(jobs: impl Iterator<Item = &'a (Job<'a>, Verdict)>) -> String {
    let mut cells: [Vec<String>; 4] = Default::default();
    let mut of = ("", "");
    for (job, verdict) in jobs {
        of = (&job.mutant.name, &job.mutant.rule);
        cells[column(job)].push(match verdict {
            Ok(noticed) => noticed.clone(),
            Err(reason) => format!("ESCAPED: {reason}"),
        });
    }
    let cells = cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell.join(", ") });
    format!("{:<36} | {:<62} | {}", of.0, of.1, cells.join(" | "))
}

fn column(job: &Job<'_>) -> usize {
    match job.by {
        By::Seeds => 2,
        By::Tests(catch) if catch.is_exploration() => 1,
        By::Tests(catch) if catch.is_random() => 3,
        By::Tests(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::table::{Catch, Mutant},
        *,
    };

    fn mutant() -> Mutant {
        let catch =
            |binary: &str, test: &str| Catch { binary: binary.to_owned(), tests: vec![test.to_owned()] };
        let catches = vec![catch("core/lib", "t"), catch("sim/explore", "w"), catch("core/lib", "laws::l")];
        Mutant { name: "m".to_owned(), rule: "r".to_owned(), catches, seeds: true }
    }

    #[test]
    fn a_mutant_has_a_row_and_one_that_escapes_anybody_has_escaped() {
        let mutant = mutant();
        let jobs =
            mutant.catches.iter().map(By::Tests).chain([By::Seeds]).map(|by| Job { mutant: &mutant, by });
        let mut done: Vec<_> = jobs.zip(["t", "w", "laws::l", "7"].map(|by| Ok(by.to_owned()))).collect();
        assert!(row(done.iter()).ends_with("| t | w | 7 | laws::l"), "{}", row(done.iter()));
        assert!(print(&done).is_ok());
        done[1].1 = Err("why".to_owned());
        assert!(row(done.iter()).ends_with("| t | ESCAPED: why | 7 | laws::l"));
        assert!(print(&done).is_err());
    }
}
