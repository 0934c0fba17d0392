# Terraform's providers for Kubernetes and Helm sign in as kubectl does: they run yc-id-token when they need a token, also when
# an apply takes longer than a token lives. No token gets into the state.

terraform {
  required_providers {
    kubernetes = {
      source = "hashicorp/kubernetes"
    }
    helm = {
      source  = "hashicorp/helm"
      version = ">= 3.0"
    }
  }
}

provider "kubernetes" {
  host                   = "https://k8s.example:6443"
  cluster_ca_certificate = file("k8s-ca.crt")

  exec {
    api_version = "client.authentication.k8s.io/v1"
    command     = "yc-id-token"
    args        = ["kubectl", "--profile=kubernetes"]
  }
}

# Before version 3, `kubernetes` and `exec` are blocks, as above.
provider "helm" {
  kubernetes = {
    host                   = "https://k8s.example:6443"
    cluster_ca_certificate = file("k8s-ca.crt")

    exec = {
      api_version = "client.authentication.k8s.io/v1"
      command     = "yc-id-token"
      args        = ["kubectl", "--profile=kubernetes"]
    }
  }
}
