import KubeAPI

/// The replica sets of a deployment: made, scaled, numbered and forgotten.
extension DeploymentController {
    /// Gives the set of the current template, where there is one, the newest revision, and the deployment the set's.
    func adoptRevision(_ rollout: inout Rollout) async throws {
        guard let found = rollout.new else { return }
        var set = found.json
        let revision = rollout.highestOldRevision + 1
        let isOther = DeploymentAnnotations.update(&set, of: rollout.deployment, revision: revision, isNew: false)
        if isOther || found.minReadySeconds != rollout.deployment.minReadySeconds {
            set["spec"]["minReadySeconds"] = rollout.deployment.spec["minReadySeconds"]
            set = try await client.update(.replicaSets, set)
        }
        rollout.replace(ReplicaSet(set))
        noteFound(found.name, DeploymentAnnotations.revision(of: set), &rollout)
    }

    /// Makes the set of the current template where there is none.
    func ensureNewSet(_ rollout: inout Rollout) async throws {
        guard rollout.new == nil else { return }
        let revision = rollout.highestOldRevision + 1
        let replicas = rollout.newReplicas
        let wanted = newSet(rollout, revision, replicas)
        do {
            rollout.new = ReplicaSet(try await client.create(.replicaSets, namespace: wanted.namespace, wanted))
        } catch let error as StatusError where error.isAlreadyExists {
            // Ours, made a moment ago and not seen yet; else the name must change.
            let found = try await client.get(.replicaSets, namespace: wanted.namespace, name: wanted.name)
            guard found.controllerReference?["uid"].string == rollout.deployment.uid,
                DeploymentAnnotations.areEqual(found["spec"]["template"], rollout.deployment.template)
            else {
                var deployment = rollout.deployment
                deployment.status["collisionCount"] = .int(Int64((deployment.collisionCount ?? 0) + 1))
                try await client.update(.deployments, subresource: "status", deployment.json)
                throw error
            }
            rollout.new = ReplicaSet(found)
            return noteFound(found.name, DeploymentAnnotations.revision(of: found), &rollout)
        } catch {
            if !error.isNamespaceGoing { try await report(error, wanted.name, rollout.deployment) }
            throw error
        }
        if replicas > 0 {
            recorder.record(
                object: rollout.deployment.json, type: .normal, reason: "ScalingReplicaSet",
                message: "Scaled up replica set \(wanted.name) from 0 to \(replicas)")
        }
        note(
            revision, "NewReplicaSetCreated", "Created new replica set \"\(wanted.name)\"", isNews: true, &rollout)
    }

    private func newSet(_ rollout: Rollout, _ revision: Int, _ replicas: Int) -> JSON {
        let deployment = rollout.deployment
        let hash = TemplateHash.make(deployment.template, collisions: deployment.collisionCount)
        var template = deployment.template
        template["metadata"]["labels"][DeploymentAnnotations.hashLabel] = .string(hash)
        var selector = deployment.spec["selector"]
        selector["matchLabels"][DeploymentAnnotations.hashLabel] = .string(hash)
        var set: JSON = [
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": [
                "name": .string("\(deployment.name)-\(hash)"), "namespace": .string(deployment.namespace),
                "labels": template["metadata"]["labels"], "ownerReferences": [deployment.json.ownerReference()],
            ],
            "spec": ["replicas": .int(Int64(replicas)), "selector": selector, "template": template],
        ]
        set["spec"]["minReadySeconds"] = deployment.spec["minReadySeconds"]
        _ = DeploymentAnnotations.update(&set, of: deployment, revision: revision, isNew: true)
        return set
    }

    private func report(_ error: any Error, _ name: String, _ deployment: Deployment) async throws {
        let message = "Failed to create new replica set \"\(name)\": \(error)"
        recorder.record(
            object: deployment.json, type: .warning, reason: "ReplicaSetCreateError", message: message)
        guard deployment.progressDeadline != nil else { return }
        var deployment = deployment
        let before = deployment.status
        DeploymentStatus.set(
            &deployment.status, DeploymentStatus.make("Progressing", "False", "ReplicaSetCreateError", message))
        if deployment.status != before {
            try await client.update(.deployments, subresource: "status", deployment.json)
        }
    }

    private func noteFound(_ name: String, _ revision: Int, _ rollout: inout Rollout) {
        note(revision, "FoundNewReplicaSet", "Found new replica set \"\(name)\"", isNews: false, &rollout)
    }

    /// Notes the revision, and what there is to say of the set: always where it is news, else where nothing is said.
    private func note(_ revision: Int, _ reason: String, _ message: String, isNews: Bool, _ rollout: inout Rollout) {
        var deployment = rollout.deployment
        DeploymentAnnotations.setRevision(&deployment.json, revision)
        let isSilent = DeploymentStatus.condition(deployment.status, "Progressing") == nil
        if deployment.progressDeadline != nil, isNews || isSilent {
            DeploymentStatus.set(
                &deployment.status, DeploymentStatus.make("Progressing", "True", reason, message))
        }
        rollout.deployment = deployment
    }

    /// True where the number of pods changed.
    @discardableResult
    func scale(_ set: ReplicaSet, to replicas: Int, _ rollout: inout Rollout) async throws -> Bool {
        var json = set.json
        let isOther = DeploymentAnnotations.setReplicas(&json, of: rollout.deployment)
        guard isOther || set.replicas != replicas else { return false }
        json["spec"]["replicas"] = .int(Int64(replicas))
        rollout.replace(ReplicaSet(try await client.update(.replicaSets, json)))
        guard set.replicas != replicas else { return false }
        recorder.record(
            object: rollout.deployment.json, type: .normal, reason: "ScalingReplicaSet",
            message: "Scaled \(replicas > set.replicas ? "up" : "down") replica set \(set.name) "
                + "from \(set.replicas) to \(replicas)")
        return true
    }

    /// Deletes the oldest sets without pods, beyond the history that is kept.
    func cleanUp(_ rollout: Rollout) async throws {
        guard let limit = rollout.deployment.revisionHistoryLimit else { return }
        let candidates = rollout.old.filter { !$0.isDeleting }
        guard candidates.count > limit else { return }
        let byRevision = candidates.sorted {
            DeploymentAnnotations.revision(of: $0.json) < DeploymentAnnotations.revision(of: $1.json)
        }
        for set in byRevision.prefix(candidates.count - limit)
        where set.observedReplicas == 0 && set.replicas == 0 && set.json.generation <= set.observedGeneration {
            do {
                try await client.delete(
                    .replicaSets, namespace: set.namespace, name: set.name,
                    options: ["propagationPolicy": "Background", "preconditions": ["uid": .string(set.uid)]])
            } catch let error as StatusError where error.isNotFound {
                continue
            }
        }
    }
}
