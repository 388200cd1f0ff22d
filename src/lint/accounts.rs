//! Other users, as far as permissions go by them: what rules about programs and files ask.

use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::CString;
use std::rc::Rc;

use nix::unistd::{Gid, Uid, User, getgrouplist};

/// Another user, as far as permissions go by it.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) uid: u32,
    pub(super) groups: Vec<u32>,
}

/// Users that were looked up, each once: it takes many files to read. Nothing for one whom nothing bars.
pub(super) type Accounts = RefCell<HashMap<String, Option<Rc<Account>>>>;

pub(super) fn account(name: &str) -> Option<Rc<Account>> {
    let user = match name.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(name),
    };
    let user = user.ok().flatten().filter(|user| !user.uid.is_root() && user.uid != Uid::effective())?;
    let login = CString::new(user.name.as_str()).ok()?;
    let groups = getgrouplist(&login, user.gid).unwrap_or_default();
    Some(Rc::new(Account { uid: user.uid.as_raw(), groups: groups.into_iter().map(Gid::as_raw).collect() }))
}
