# A role of AWS that one service account of Yandex Cloud can assume.

terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 3.39"
    }
  }
}

variable "issuer" {
  description = "The issuer of the ID tokens: `iss` of a real one"
  type        = string
  default     = "https://auth.yandex.cloud"
}

variable "audience" {
  description = "The audience that the ID tokens are for"
  type        = string
  default     = "sts.amazonaws.com"
}

variable "service_account_id" {
  description = "The service account that may assume the role"
  type        = string
}

resource "aws_iam_openid_connect_provider" "yandex_cloud" {
  url            = var.issuer
  client_id_list = [var.audience]
  # AWS trusts the issuer by public authorities and does not look at this; older providers require it.
  thumbprint_list = ["0000000000000000000000000000000000000000"]
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [aws_iam_openid_connect_provider.yandex_cloud.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "${trimprefix(var.issuer, "https://")}:aud"
      values   = [var.audience]
    }

    # Never leave this out: the issuer signs for every customer of the cloud.
    condition {
      test     = "StringEquals"
      variable = "${trimprefix(var.issuer, "https://")}:sub"
      values   = [var.service_account_id]
    }
  }
}

resource "aws_iam_role" "robot" {
  name                 = "yandex-robot"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
}

output "role_arn" {
  description = "For `role_arn` in the configuration of yc-id-token"
  value       = aws_iam_role.robot.arn
}
