/**
 * An application under load: a call every few milliseconds, by each way in turn. It prints what has failed, and who answered.
 *
 * `CALLS`: how many at least. `ANSWERS`: how often each task has to have answered; it goes on until then, up to `MAX_CALLS`.
 * A line on stdin says that a task was killed, and its connections are gone: what begins later and fails counts as `late`.
 */
const { setImmediate: afterIo, setTimeout: delay } = require('node:timers/promises')

/** Turns of the event loop in which a process reads that connections are gone, and acts on it. */
const TURNS = 5

exports.load = async function load(ways) {
  const { SERVICE_URL: url, CALLS, MAX_CALLS, ANSWERS } = process.env
  const wanted = Object.entries(JSON.parse(ANSWERS))
  const names = Object.keys(ways)
  const results = Object.fromEntries(names.map((name) => [name, { failed: {}, late: {}, tasks: {} }]))
  const answers = {}
  const calls = new Set()
  let isGone = false
  let mostInFlight = 0
  const learn = async () => {
    for (let turn = 0; turn < TURNS; turn++) await afterIo()
    isGone = true
    process.stdin.destroy()
  }
  process.stdin.once('data', () => void learn())
  const call = async (name, method) => {
    const { failed, late, tasks } = results[name]
    const failures = isGone ? late : failed
    try {
      const task = await ways[name](url, method)
      tasks[task] = (tasks[task] ?? 0) + 1
      answers[task] = (answers[task] ?? 0) + 1
    } catch (error) {
      const what = `${method} ${error.cause?.code ?? error.code ?? String(error)}`
      failures[what] = (failures[what] ?? 0) + 1
    }
  }
  const isAnswered = () => wanted.every(([task, count]) => (answers[task] ?? 0) >= count)
  for (let count = 0; count < CALLS || (count < MAX_CALLS && !isAnswered()); count++) {
    // Each way makes a GET, and then a POST.
    const method = Math.floor(count / names.length) % 2 === 0 ? 'GET' : 'POST'
    const made = call(names[count % names.length], method).finally(() => calls.delete(made))
    calls.add(made)
    if (!isGone) mostInFlight = Math.max(mostInFlight, calls.size)
    if (count % 50 === 0) console.log(`called ${count}`)
    await delay(4)
  }
  await Promise.all(calls)
  const signals = process.eventNames().filter((name) => String(name).startsWith('SIG'))
  console.log(JSON.stringify({ results, mostInFlight, signals }))
}
