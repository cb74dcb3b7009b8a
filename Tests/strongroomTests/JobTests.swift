import Testing

@testable import strongroom

@Suite("Jobs for people")
struct JobTests {
    private func job(_ state: String, done: Int = 0, total: Int = 0, rest: String = "") throws -> JobView {
        let text =
            #"{"job":"rotate_data","purpose":"data","from":[1],"to":2,"state":"\#(state)","reason":"","done":\#(done),"#
            + #""total":\#(total),"rate":2000.5,"seconds_left":61.5,"started":1,"pending":null\#(rest)}"#
        return JobView(try #require(JSONValue(Array(text.utf8))))
    }

    @Test("a moving job says how far, how fast and how long")
    func moving() throws {
        let job = try job("moving", done: 123_456, total: 370_000)
        #expect(job.plain == "data key 1 -> 2  33%  123,456 of 370,000 records  2,000/s  1:01 min left")
        let figures = "33%  123,456/370,000  2,000/s  1:01 min left"
        #expect(job.line(width: 200) == "data key 1 -> 2  [########................]  \(figures)")
        // On a terminal of 80 columns everything is there, behind a shorter bar.
        #expect(job.line(width: 79).count == 79)
        #expect(job.line(width: 79).hasSuffix("]  \(figures)"))
    }

    @Test("a line keeps to the width of the terminal")
    func width() throws {
        let job = try job("moving", done: 1, total: 2)
        for width in 10...120 { #expect(job.line(width: width).count <= width) }
    }

    @Test("nothing to move is no division by zero, and more than everything no more than all")
    func extremes() throws {
        #expect(try job("moving").fraction == nil)
        #expect(try job("moving").line(width: 100).contains("100%"))
        #expect(try job("moving", done: 5, total: 3).fraction == 1)
    }

    @Test(
        "each state says what it waits for",
        arguments: [
            ("proving", "looking at every entry"), ("waiting", "waiting"), ("awaiting_approval", "second person"),
            ("paused", "goes on by itself"), ("blocked", "BLOCKED"), ("new_state", "new_state"),
        ])
    func states(state: String, text: String) throws {
        #expect(try job(state, done: 1, total: 1).plain.contains(text))
        #expect(try job(state, done: 1, total: 1).line(width: 200).contains(text))
    }

    @Test("in a pipe, a line comes at once for a new state, and else after the interval, if it says anything new")
    func reporter() throws {
        var reporter = JobReporter(1, style: .lines, lineInterval: .seconds(5))
        let start = ContinuousClock.now
        func due(_ job: JobView, _ seconds: Int) -> Int {
            reporter.dueLines([job], now: start + .seconds(seconds)).count
        }
        #expect(due(try job("moving", done: 1, total: 9), 0) == 1)
        #expect(due(try job("moving", done: 2, total: 9), 1) == 0)
        #expect(due(try job("moving", done: 3, total: 9), 5) == 1)
        #expect(due(try job("moving", done: 3, total: 9), 10) == 0)
        #expect(due(try job("proving", done: 9, total: 9), 11) == 1)
        #expect(due(try job("proving", done: 9, total: 9), 30) == 0)
        #expect(due(try job("paused", done: 9, total: 9), 31) == 1)
    }

    @Test("a wait ends when the old version is destroyed, or its request is gone for good")
    func waiting() throws {
        func version(_ state: String) -> [KeyVersionView] {
            [KeyVersionView(purpose: "data", version: 1, state: state)]
        }
        let request = try #require(JSONValue(Array(#"{"id":7}"#.utf8)))
        let pending = try #require(PendingView(request))
        func wait(_ pending: PendingView?) -> RotationWait {
            RotationWait(endpoint: ControlEndpoint(path: ""), old: version("active"), pending: pending, json: true)
        }
        var plain = wait(nil)
        #expect(plain.step(version("active"), []) == .waiting)
        #expect(plain.step(version("retiring"), []) == .waiting)
        #expect(plain.step(version("destroyed"), []) == .done)
        #expect(plain.step([], []) == .done)
        var asked = wait(pending)
        for _ in 0..<20 { #expect(asked.step(version("active"), [7]) == .waiting) }
        for _ in 0..<5 { #expect(asked.step(version("active"), []) == .waiting) }
        // It was approved after all.
        #expect(asked.step(version("retiring"), []) == .waiting)
        for _ in 0..<5 { #expect(asked.step(version("active"), [8]) == .waiting) }
        #expect(asked.step(version("active"), [8]) == .withdrawn)
    }
}
