/** An application under load: a call every few milliseconds, by each way in turn. It prints what has failed, and who answered. */
const { setTimeout: delay } = require('node:timers/promises')

exports.load = async function load(ways) {
  const { SERVICE_URL: url, CALLS: total } = process.env
  const names = Object.keys(ways)
  const results = Object.fromEntries(names.map((name) => [name, { failed: {}, tasks: {} }]))
  const calls = []
  const call = async (name, method) => {
    const result = results[name]
    try {
      const task = await ways[name](url, method)
      result.tasks[task] = (result.tasks[task] ?? 0) + 1
    } catch (error) {
      const code = error.cause?.code ?? error.code ?? String(error)
      result.failed[`${method} ${code}`] = (result.failed[`${method} ${code}`] ?? 0) + 1
    }
  }
  for (let count = 0; count < Number(total); count++) {
    // Each way makes a GET, and then a POST.
    calls.push(call(names[count % names.length], Math.floor(count / names.length) % 2 === 0 ? 'GET' : 'POST'))
    if (count % 50 === 0) console.log(`called ${count}`)
    await delay(4)
  }
  await Promise.all(calls)
  const signals = process.eventNames().filter((name) => String(name).startsWith('SIG'))
  console.log(JSON.stringify({ results, signals }))
}
