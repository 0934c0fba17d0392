# A workload identity pool of Google Cloud whose provider accepts one service account of Yandex Cloud.

terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 5.0"
    }
  }
}

variable "project" {
  description = "The ID of the Google Cloud project that has the pool"
  type        = string
}

variable "issuer" {
  description = "The issuer of the ID tokens: `iss` of a real one"
  type        = string
  default     = "https://auth.yandex.cloud"
}

variable "service_account_id" {
  description = "The service account of Yandex Cloud that the provider accepts"
  type        = string
}

resource "google_iam_workload_identity_pool" "yandex_cloud" {
  project                   = var.project
  workload_identity_pool_id = "yandex-cloud"
}

resource "google_iam_workload_identity_pool_provider" "yandex_cloud" {
  project                            = var.project
  workload_identity_pool_id          = google_iam_workload_identity_pool.yandex_cloud.workload_identity_pool_id
  workload_identity_pool_provider_id = "yandex-cloud"

  attribute_mapping = {
    "google.subject" = "assertion.sub"
  }

  # Never leave this out: the issuer signs for every customer of the cloud.
  attribute_condition = "assertion.sub == '${var.service_account_id}'"

  # Without a list of audiences, the provider accepts its own name: the audience that yc-id-token requests.
  oidc {
    issuer_uri = var.issuer
  }
}

resource "google_project_iam_member" "robot" {
  project = var.project
  role    = "roles/storage.objectViewer"
  member  = "principal://iam.googleapis.com/${google_iam_workload_identity_pool.yandex_cloud.name}/subject/${var.service_account_id}"
}

output "provider" {
  description = "For `provider` in the configuration of yc-id-token"
  value       = "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.yandex_cloud.name}"
}
