#!/bin/sh
# The Secrets of the deployment, from the files that `egov bootstrap secrets DIR` made: k8s/secrets.sh DIR [NAMESPACE]
# Run again, it changes nothing that did not change there.
set -eu
dir=$1
namespace=${2:-egov}

put() { kubectl create secret "$@" --namespace "$namespace" --dry-run=client --output yaml | kubectl apply --filename -; }

# A name and a password, as CloudNativePG and RabbitMQ's topology operator take them.
login() { put generic "$1" --type=kubernetes.io/basic-auth --from-literal=username="$2" --from-file=password="$3"; }

for password in "$dir"/*.db; do
    code=$(basename "$password" .db)
    [ "$code" = operator ] && continue  # both engines are their operators' own
    login "$code-db" "$code" "$password"
    if [ -f "$dir/$code.amqp" ]; then login "$code-broker" "$code" "$dir/$code.amqp"; fi
    set --
    for kind in keystore admin session sealing journal root issuing servers crt key; do
        if [ -f "$dir/$code.$kind" ]; then set -- "$@" --from-file="$dir/$code.$kind"; fi
    done
    put generic "$code" "$@"
done

put tls rabbitmq-tls --cert="$dir/rabbitmq.crt" --key="$dir/rabbitmq.key"
put generic egov-ca --from-file="$dir/ca.crt"
