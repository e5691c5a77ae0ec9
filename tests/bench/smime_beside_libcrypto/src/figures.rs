//! What was measured, beside what is aimed at.

use std::fmt;

/// What a figure should reach.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn is_met(self, measured: f64) -> bool {
        match self {
            Self::AtLeast(least) => measured >= least,
            Self::AtMost(most) => measured <= most,
        }
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) measured: f64,
    pub(crate) unit: &'static str,
    pub(crate) target: Option<Target>,
    pub(crate) note: String,
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:<62} {:>6.2} {:<3}",
            self.what, self.measured, self.unit
        )?;
        match self.target {
            Some(Target::AtLeast(least)) => write!(f, "  at least {least:<5}")?,
            Some(Target::AtMost(most)) => write!(f, "  at most  {most:<5}")?,
            None => write!(f, "  {:14}", "")?,
        }
        match self.target.map(|target| target.is_met(self.measured)) {
            Some(true) => write!(f, "  met   ")?,
            Some(false) => write!(f, "  MISSED")?,
            None => write!(f, "        ")?,
        }
        write!(f, "  {}", self.note)
    }
}

/// The middle one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}
