internal import Logging
internal import VaultCore

// Signed statements of how far the log is. On the audit thread.
extension AuditTrail {
    func checkpointIfDue() {
        guard let log, state == .open, log.head.sequence > checkpointed else { return }
        let rules = settings.checkpoints
        let isDue =
            log.head.sequence - checkpointed >= UInt64(rules.records)
            || MonotonicClock.now >= lastCheckpoint + UInt64(rules.interval.components.seconds) * 1_000_000_000
        if isDue { signCheckpoint(log) }
    }

    func signCheckpoint(_ log: AuditLog) {
        guard log.head.sequence > checkpointed, !log.needsFlush else { return }
        lastCheckpoint = MonotonicClock.now
        do throws(AuditFailure) {
            let (note, head) = try log.checkpoint()
            checkpointed = head.sequence
            board.showCheckpoint(note, head.sequence, at: WallClock.seconds)
            deliver(note)
            onCheckpoint(head)
        } catch {
            board.checkpointFailures.add(1)
            logger.error("checkpoint_failed", metadata: ["reason": "\(error.message)"])
        }
    }

    /// Sends a checkpoint where the configuration says: a memory that whoever rewrites this disk cannot reach.
    private func deliver(_ note: String) {
        for destination in CheckpointDestination.all(of: settings.checkpoints) {
            do throws(FileError) {
                try destination.send(note)
                board.show(destination.name, failure: nil)
            } catch {
                board.checkpointFailures.add(1)
                if board.show(destination.name, failure: error.message) {
                    logger.error(
                        "checkpoint_not_delivered",
                        metadata: ["to": "\(destination.name)", "reason": "\(error.message)"])
                }
            }
        }
    }
}
