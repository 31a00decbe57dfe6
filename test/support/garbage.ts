import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Whether nothing holds an object any more. In the job that made it, or looked at it, its `WeakRef` holds it. */
export function isCollected(ref: WeakRef<object>): boolean {
  collect()
  return ref.deref() === undefined
}
