/** What the CDK CLI runs: `npx aws-cdk deploy shop-web`. `node cdk/app.ts` only synthesises, into cdk.out/. */
import { shop } from './shop.ts'

shop({ outdir: process.env['CDK_OUTDIR'] ?? 'cdk.out' }).synth()
