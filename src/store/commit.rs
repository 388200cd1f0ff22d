//! \[db\] The write path: one transaction for everything that came together, and what happens when it fails.
//!
//! Before it: the store's thread, or a caller that drives it in place. After it: the disk, or the overlay while the disk
//! fails.

use rusqlite::{Connection, TransactionBehavior};

use super::change::{Accepted, Answer, Settled, Write};
use super::core::{BLOCK, Core, NEXT_HOLD, NEXT_RUN};
use super::deferred::Deferred;
use super::overlay::Overlay;
use super::types::{Class, Disposition, MessageId, Recorded, RunRow, Settlement, StoreError, ThreadChange};
use super::{holds, mail, runs};

impl Core {
    /// Makes the changes in one transaction, on disk when it returns; when that fails they are held in memory. What a
    /// failure leaves to be written later is put into `rest`.
    pub(super) fn commit(&mut self, mut writes: Vec<Write>, rest: &mut Deferred) -> Vec<Answer> {
        let ids: Vec<Vec<MessageId>> = writes.iter_mut().map(|write| self.number(write)).collect();
        match self.writing(|core| core.write(&writes, &Deferred::default())) {
            Ok(settled) => {
                for (write, settled) in writes.iter().zip(settled) {
                    self.count(write, settled);
                    if let Write::Record(record) = write {
                        rest.overtaken(record);
                    }
                }
                ids.into_iter().map(|ids| Ok(Recorded { ids, durable: true })).collect()
            }
            Err(_) => writes.into_iter().zip(ids).map(|(write, ids)| self.hold(write, ids, rest)).collect(),
        }
    }

    /// Writes what was allowed to wait; on failure it comes back in `rest`.
    pub(super) fn write_deferred(&mut self, chunk: Deferred, rest: &mut Deferred) -> Result<(), StoreError> {
        for run in &chunk.runs {
            self.saw(run.finished);
        }
        let written = self.writing(|core| core.write(&[], &chunk));
        if written.is_err() {
            rest.put_back(chunk);
        }
        let dropped = rest.take_dropped();
        if dropped > 0 {
            self.trouble.send_modify(|trouble| trouble.dropped_runs += dropped);
        }
        written.map(drop)
    }

    /// One transaction. The answer is how many messages each settlement found.
    pub(super) fn write(&mut self, writes: &[Write], deferred: &Deferred) -> Result<Vec<u64>, StoreError> {
        let highest = highest_run(writes, deferred).max(self.last_run);
        // Numbers are set apart well before they are used, more of them where runs are frequent.
        let reserve = (highest + BLOCK / 2 >= self.reserved)
            .then(|| highest + 1 + BLOCK.max(4 * highest.saturating_sub(self.last_run)));
        self.synchronous(!writes.is_empty() || reserve.is_some() || !self.overlay.is_empty())?;
        // Taken out so that the connection can be borrowed; comes back unless all of it is on disk.
        let overlay = std::mem::take(&mut self.overlay);
        let written = self.disk().and_then(|db| {
            let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            write_overlay(&tx, &overlay)?;
            write_rows(&tx, deferred)?;
            let settled = writes.iter().map(|write| write_one(&tx, write)).collect::<rusqlite::Result<_>>()?;
            if let Some(next) = reserve {
                runs::put_note(&tx, NEXT_RUN, Some(&next.to_string()))?;
            }
            tx.commit()?;
            Ok(settled)
        });
        if written.is_err() {
            self.overlay = overlay;
        } else {
            self.last_run = highest;
            self.retention.wrote(writes.len() + deferred.len());
            self.reserved = reserve.unwrap_or(self.reserved);
        }
        written
    }

    /// Gives messages their numbers.
    fn number(&mut self, write: &mut Write) -> Vec<MessageId> {
        match write {
            Write::Record(record) => {
                if let Some(run) = &record.run {
                    self.saw(run.finished);
                }
                for stored in &mut record.messages {
                    stored.id = MessageId(self.next_message);
                    self.next_message += 1;
                }
                record.messages.iter().map(|stored| stored.id).collect()
            }
            Write::Settle(settled) => {
                self.saw(settled.settlement.at);
                for (stored, _) in &mut settled.follow {
                    stored.id = MessageId(self.next_message);
                    self.next_message += 1;
                }
                settled.follow.iter().map(|(stored, _)| stored.id).collect()
            }
        }
    }

    /// Brings the counts up to date with a change that was made; a settlement found `settled` messages.
    fn count(&mut self, write: &Write, settled: u64) {
        match write {
            Write::Record(record) => {
                for stored in &record.messages {
                    let depth = self.lanes.entry(stored.message.channel.clone()).or_default();
                    *depth.of(stored.class()) += 1;
                }
            }
            Write::Settle(change) => {
                let Settled { settlement, follow } = change.as_ref();
                for (stored, _) in follow {
                    *self.lanes.entry(stored.message.channel.clone()).or_default().of(stored.class()) += 1;
                }
                if matches!(settlement.disposition, Disposition::Retry { .. }) {
                    return;
                }
                if let Some(depth) = self.lanes.get_mut(&settlement.channel) {
                    let count = depth.of(settlement.class);
                    *count = count.saturating_sub(settled);
                    if depth.is_empty() {
                        self.lanes.remove(&settlement.channel);
                    }
                }
            }
        }
    }

    /// Holds a change that the disk did not take.
    fn hold(&mut self, write: Write, ids: Vec<MessageId>, rest: &mut Deferred) -> Answer {
        match write {
            Write::Record(record) => {
                let Accepted { run, states, messages } = *record;
                if let Some(run) = run {
                    rest.finish(run);
                }
                states.into_iter().for_each(|(job, state)| rest.remember(job, state));
                let Some(gone) = self.overlay.make_room(messages.len()) else { return Err(StoreError::Full) };
                if gone > 0 {
                    self.trouble.send_modify(|trouble| trouble.dropped_messages += gone as u64);
                    let _counted = self.recount();
                }
                for stored in messages {
                    *self.lanes.entry(stored.message.channel.clone()).or_default().of(stored.class()) += 1;
                    self.overlay.unsaved.insert(stored.id, stored);
                }
            }
            Write::Settle(change) => {
                let settled = change.settlement.ids.len() as u64;
                let write = Write::Settle(change);
                self.count(&write, settled);
                if let Write::Settle(change) = write {
                    let Settled { settlement, follow } = *change;
                    for (mut stored, file_of) in follow {
                        if let Some(from) = file_of.and_then(|from| self.overlay.unsaved.get(&from)) {
                            let file = stored.message.attachment.take();
                            stored.message.attachment = file.or_else(|| from.message.attachment.clone());
                        }
                        self.overlay.unsaved.insert(stored.id, stored);
                    }
                    self.overlay.settle(settlement);
                }
            }
        }
        let unsaved = self.overlay.unsaved.len();
        self.trouble.send_modify(|trouble| trouble.unsaved = unsaved);
        Ok(Recorded { ids, durable: false })
    }
}

fn highest_run(writes: &[Write], deferred: &Deferred) -> u64 {
    let recorded = writes.iter().filter_map(|write| match write {
        Write::Record(record) => record.run.as_ref().map(|run| run.id.0),
        Write::Settle(_) => None,
    });
    let ended = deferred.runs.iter().map(|run: &RunRow| run.id.0);
    let begun = deferred.begun.last_key_value().map(|(id, _)| id.0);
    recorded.chain(ended).chain(begun).max().unwrap_or(0)
}

fn write_rows(db: &Connection, deferred: &Deferred) -> rusqlite::Result<()> {
    deferred.begun.values().try_for_each(|run| runs::begin(db, run))?;
    deferred.processes.iter().try_for_each(|(run, process)| runs::put_process(db, *run, process))?;
    deferred.runs.iter().try_for_each(|run| runs::finish(db, run))?;
    if let Some((holds, next)) = &deferred.holds {
        holds::put(db, holds)?;
        runs::put_note(db, NEXT_HOLD, Some(&next.to_string()))?;
    }
    deferred.states.iter().try_for_each(|(job, state)| runs::put_state(db, job, state))
}

/// The answer is how many messages a settlement found.
fn write_one(db: &Connection, write: &Write) -> rusqlite::Result<u64> {
    match write {
        Write::Record(record) => {
            let Accepted { run, states, messages } = record.as_ref();
            if let Some(run) = run {
                runs::finish(db, run)?;
                if let Some(first) = messages.iter().find(|stored| !stored.is_edit()) {
                    mail::keep_for_run(db, run.id, &first.message)?;
                }
            } else {
                for stored in messages.iter().filter(|stored| !stored.is_edit()) {
                    // Of several of a run the first is kept.
                    stored.message.run.map_or(Ok(()), |run| mail::keep_for_run_later(db, run, &stored.message))?;
                }
            }
            states.iter().try_for_each(|(job, state)| runs::put_state(db, job, state))?;
            messages.iter().try_for_each(|stored| mail::insert(db, stored))?;
            Ok(0)
        }
        Write::Settle(change) => {
            let Settled { settlement, follow } = change.as_ref();
            let Settlement { ids, channel, class, disposition, thread, first, note, at, follow: _ } = settlement;
            for (stored, file_of) in follow {
                mail::insert(db, stored)?;
                if let Some(from) = file_of {
                    mail::take_file(db, *from, stored.id)?;
                }
            }
            if let Some((key, value)) = note {
                runs::put_note(db, key, Some(value))?;
            }
            let mut settled = 0;
            for id in ids {
                settled += u64::from(mail::settle(db, *id, disposition)?);
            }
            let shown = matches!(class, Class::Alert | Class::Detail | Class::Late);
            if shown && matches!(disposition, Disposition::Delivered | Disposition::Announced { .. }) {
                mail::put_sent(db, channel, *at)?;
            }
            mail::put_thread(db, channel, thread, *at)?;
            if let Some((incident, first)) = first.as_deref().and_then(|first| Some((first.incident?, first))) {
                mail::put_first(db, channel, incident, first)?;
            }
            Ok(settled)
        }
    }
}

fn write_overlay(db: &Connection, overlay: &Overlay) -> rusqlite::Result<()> {
    overlay.unsaved.values().try_for_each(|stored| mail::insert(db, stored))?;
    overlay.unsettled.iter().try_for_each(|(id, disposition)| mail::settle(db, *id, disposition).map(drop))?;
    overlay.retries.iter().try_for_each(|(id, (why, progress))| {
        let retry = Disposition::Retry { why: why.clone(), progress: *progress };
        mail::settle(db, *id, &retry).map(drop)
    })?;
    overlay.sent.iter().try_for_each(|(channel, at)| mail::put_sent(db, channel, *at))?;
    overlay.notes.iter().try_for_each(|(key, value)| runs::put_note(db, key, Some(value)))?;
    overlay.threads.iter().try_for_each(|((incident, channel), (parent, at))| {
        let change = match parent.clone() {
            Some(parent) => ThreadChange::Set(*incident, parent),
            None => ThreadChange::Forget(*incident),
        };
        mail::put_thread(db, channel, &change, *at)
    })?;
    overlay.firsts.iter().try_for_each(|((incident, channel), first)| mail::put_first(db, channel, *incident, first))
}
