import { startWorld } from './world.ts'
const local = await startWorld()
Object.assign(process.env, local.aws.metadata.env)

// #region readme
import { self } from 'onehop/ecs'

const task = await self()
console.log(task.id, task.zone, task.ipv4)
for (const container of task.containers) console.log(container.name, container.address)
// #endregion

await local[Symbol.asyncDispose]()
