#!/usr/bin/env bash
# Deploys the templates, in an order in which each finds what it needs: the outputs of the stacks before it.
#
#   ./deploy.sh shop-network              the VPC and the image's repository first
#   ./deploy.sh --image URI               all stacks
#   ./deploy.sh --image URI shop-orders   one, after those before it
#   ./deploy.sh --list                    stacks and templates
set -euo pipefail
cd "$(dirname "$0")"

stacks=(
  'shop-network network'
  'shop-orders discovered'
  'shop-stock registering'
  'shop-reports run-task'
  'shop-payments balanced'
  'shop-payments-nlb balanced-nlb'
  'shop-web caller'
  'shop-reaper reaper'
  'shop-bench bench'
)
parameters=()
wanted=()
while [ $# -gt 0 ]; do
  case $1 in
    --list) printf '%s\n' "${stacks[@]}"; exit ;;
    --image) parameters+=("Image=$2"); shift 2 ;;
    *) wanted+=("$1"); shift ;;
  esac
done

# The outputs of a stack, `Name=value` each; nothing if the stack does not exist.
outputs() {
  aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query "Stacks[0].Outputs[].[join('=', [OutputKey, OutputValue])]" 2>/dev/null || true
}

for entry in "${stacks[@]}"; do
  read -r stack template <<<"$entry"
  if [ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $stack "* ]]; then
    file=$template.yaml
    # The code of the Lambda is a folder beside the templates.
    if [ "$template" = reaper ]; then
      if [ ! -d ../reaper/node_modules ]; then echo 'Run `npm run package` first.' >&2; exit 1; fi
      file=$(mktemp)
      aws cloudformation package --template-file reaper.yaml --s3-bucket "${BUCKET:?A bucket for the code of the reaper}" \
        --output-template-file "$file" >/dev/null
    fi
    arguments=(--stack-name "$stack" --template-file "$file" --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset)
    # The CLI ignores parameters that a template does not have.
    if [ ${#parameters[@]} -gt 0 ]; then arguments+=(--parameter-overrides "${parameters[@]}"); fi
    aws cloudformation deploy "${arguments[@]}"
  fi
  while read -r output; do
    if [ -n "$output" ]; then parameters+=("$output"); fi
  done < <(outputs "$stack" | grep -v '^Run=' || true)
done
