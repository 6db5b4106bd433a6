//! The content of a file, and the credential in it.

use std::time::SystemTime;

use solekey::core::{Credential, Document, Import, InputError, mutant};

/// A file that holds a credential.
pub(super) struct Content {
    import: Import,
    /// The account's part, as a document of its own.
    account: Document,
    /// The whole file and the name of that part, where it holds other things besides.
    whole: Option<(Document, String)>,
}

impl Content {
    /// Reads a file, or the part of it in a field.
    ///
    /// # Errors
    /// No credential is there.
    pub(super) fn read(
        content: Vec<u8>,
        field: Option<&str>,
        written: Option<SystemTime>,
    ) -> Result<Self, InputError> {
        let whole = Document::parse(&content)?;
        let Some(field) = field else {
            let import = Credential::import_file(&content, written, SystemTime::now())?;
            return Ok(Self { import, account: whole, whole: None });
        };
        let missing = || InputError::new(field, "an object with the tokens of an account");
        let account = whole.only(field).ok_or_else(missing)?;
        // The time of the file is that of whichever field was written last.
        let import = Credential::import_file(account.render().as_bytes(), None, SystemTime::now())?;
        Ok(Self { import, account, whole: Some((whole, field.to_owned())) })
    }

    pub(super) fn import(&self) -> &Import {
        &self.import
    }

    pub(super) fn credential(&self) -> &Credential {
        &self.import.credential
    }

    /// The document of the account alone.
    pub(super) fn account(&self) -> &[u8] {
        self.account.render().as_bytes()
    }

    /// The file with the tokens of another credential of the account.
    pub(super) fn with_tokens_of(&self, held: &Credential, end: Option<SystemTime>) -> Document {
        let account = self.credential().with_tokens_of(held, end, SystemTime::now());
        match &self.whole {
            Some((whole, field)) if !mutant("mirror_drops_the_other_fields") => {
                whole.with_field_of(account.document(), field)
            }
            _ => account.document().clone(),
        }
    }
}
