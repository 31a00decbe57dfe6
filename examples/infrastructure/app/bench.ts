/** Runs `onehop bench` with its arguments. The summary goes to the logs, the page to the bucket. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'

const { BUCKET: bucket, FOLDER: folder = '/report' } = process.env

const page = `${folder}/report.html`
// If ECS stops the task, the report has the calls until then. Set before the child starts, which may end at once.
process.on('SIGTERM', () => child.kill('SIGTERM'))
const child = spawn('node_modules/.bin/onehop', ['bench', ...process.argv.slice(2), '--html', page], {
  stdio: 'inherit',
})
const [status] = (await once(child, 'exit')) as [number | null]
// A run that could not start has no page.
if (bucket && existsSync(page)) {
  const key = `${new Date().toISOString()}.html`
  const object = {
    Bucket: bucket,
    Key: key,
    Body: readFileSync(page),
    ContentType: 'text/html; charset=utf-8',
  }
  await new S3Client({}).send(new PutObjectCommand(object))
  console.log(`s3://${bucket}/${key}`)
}
// The exit code of a failed assertion, for CI.
process.exitCode = status ?? 1
