/** Calls from a worker, a fork, and a cluster's worker, each of the same file, and prints what each has got. */
import { fork } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { isMainThread, parentPort, Worker } from 'node:worker_threads'

const call = async () => {
  try {
    return (await (await fetch(process.env.SERVICE_URL)).json()).task
  } catch (error) {
    return error.cause?.code ?? String(error)
  }
}
const file = new URL(import.meta.url)
if (!isMainThread) parentPort.postMessage(await call(), [])
else if (process.send !== undefined) {
  process.send(await call())
  process.disconnect()
} else {
  const worker = new Worker(file)
  const [ofWorker] = await once(worker, 'message')
  const [ofFork] = await once(fork(file), 'message')
  cluster.setupPrimary({ exec: file.pathname })
  cluster.fork()
  const [, ofCluster] = await once(cluster, 'message')
  console.log(JSON.stringify([ofWorker, ofFork, ofCluster]))
}
