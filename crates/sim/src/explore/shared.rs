//! A part of a world that most of its successors share.

use std::{
    ops::{Deref, DerefMut},
    rc::Rc,
};

/// Cloned when it is changed, and only then: a step changes one process or the row, seldom both.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Shared<T>(Rc<T>);

impl<T> From<T> for Shared<T> {
    fn from(value: T) -> Self {
        Self(Rc::new(value))
    }
}

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Shared<T> {
    fn deref_mut(&mut self) -> &mut T {
        Rc::make_mut(&mut self.0)
    }
}
